#include "layout.hpp"

#include <algorithm>
#include <string_view>

namespace computesdk::local::limits {
namespace {

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const std::size_t at = text.find(separator);
    parts.push_back(text.substr(0, at));
    if (at == std::string_view::npos) return parts;
    text.remove_prefix(at + 1);
  }
}

bool contains(const std::vector<std::string_view>& list, std::string_view word) {
  for (const std::string_view item : list) {
    if (item == word) return true;
  }
  return false;
}

// mountinfo writes blanks and the like as \040.
std::string unescape(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size()) {
      plain += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0'));
      i += 3;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

struct Mount {
  std::string root, point;
  std::vector<std::string_view> options;  // of the super block: the controllers of v1
  bool v2 = false;
};

std::vector<Mount> groupMounts(std::string_view mountInfo) {
  std::vector<Mount> mounts;
  for (const std::string_view line : split(mountInfo, '\n')) {
    if (line.find(" - cgroup") == std::string_view::npos) continue;
    const auto fields = split(line, ' ');
    std::size_t dash = 6;
    while (dash < fields.size() && fields[dash] != "-") ++dash;
    if (dash + 3 >= fields.size()) continue;
    const std::string_view type = fields[dash + 1];
    if (type != "cgroup" && type != "cgroup2") continue;
    mounts.push_back({unescape(fields[3]), unescape(fields[4]), split(fields[dash + 3], ','), type == "cgroup2"});
  }
  return mounts;
}

struct Membership {
  std::string_view unified;                                                        // "" if there is no such line
  std::vector<std::pair<std::vector<std::string_view>, std::string_view>> legacy;  // controllers, path
};

Membership parseMembership(std::string_view text) {
  Membership membership;
  for (const std::string_view line : split(text, '\n')) {
    const std::size_t first = line.find(':');
    const std::size_t second = first == std::string_view::npos ? first : line.find(':', first + 1);
    if (second == std::string_view::npos) continue;
    const std::string_view controllers = line.substr(first + 1, second - first - 1);
    const std::string_view path = line.substr(second + 1);
    if (controllers.empty()) {
      membership.unified = path;
    } else {
      membership.legacy.emplace_back(split(controllers, ','), path);
    }
  }
  return membership;
}

// The folder that shows group `path` under a mount; "" if that mount does not show it.
std::string place(const Mount& mount, std::string_view path) {
  if (path.empty() || path.substr(0, 3) == "/..") return {};
  if (mount.root != "/") {
    const bool below = path.size() >= mount.root.size() && path.substr(0, mount.root.size()) == mount.root &&
                       (path.size() == mount.root.size() || path[mount.root.size()] == '/');
    if (!below) return {};
    path.remove_prefix(mount.root.size());
  }
  return path == "/" || path.empty() ? mount.point : mount.point + std::string(path);
}

bool hasController(std::string_view list, std::string_view name) {
  while (!list.empty() && (list.back() == '\n' || list.back() == ' ')) list.remove_suffix(1);
  return contains(split(list, ' '), name);
}

bool memoryIsLegacy(const Membership& membership) {
  return std::any_of(membership.legacy.begin(), membership.legacy.end(),
                     [](const auto& line) { return contains(line.first, "memory"); });
}

void findUnified(FileTree& tree, const std::vector<Mount>& mounts, std::string_view path, Layout& layout) {
  for (const Mount& mount : mounts) {
    if (!mount.v2) continue;
    if (mount.root == "/" && layout.unifiedMount.empty()) layout.unifiedMount = mount.point;
    std::string folder = place(mount, path);
    if (folder.empty()) continue;
    if (folder.ends_with(kHostLeaf)) folder.resize(folder.size() - std::string_view(kHostLeaf).size());
    const auto available = tree.read(folder + "/cgroup.controllers");
    if (!available) continue;
    for (std::size_t i = 0; i < kControllers; ++i) {
      if (hasController(*available, kControllerNames[i])) layout.own[i] = folder;
    }
    const bool any = std::any_of(layout.own.begin(), layout.own.end(), [](const auto& own) { return !own.empty(); });
    // A session's own group may have been given none, and yet systemd hands them out elsewhere.
    const auto whole = any || mount.root != "/" || folder == mount.point
                           ? Result<std::string>(Error{})
                           : tree.read(mount.point + "/cgroup.controllers");
    if (!any && !(whole.ok() && hasController(*whole, kControllerNames[0]))) continue;
    layout.kind = GroupKind::kV2;
    layout.unified = std::move(folder);
    return;
  }
}

void findLegacy(const std::vector<Mount>& mounts, const Membership& membership, Layout& layout) {
  for (const auto& [controllers, path] : membership.legacy) {
    for (std::size_t i = 0; i < kControllers; ++i) {
      if (!contains(controllers, kControllerNames[i])) continue;
      for (const Mount& mount : mounts) {
        if (mount.v2 || !contains(mount.options, kControllerNames[i])) continue;
        std::string folder = place(mount, path);
        if (folder.empty()) continue;
        layout.own[i] = std::move(folder);
        layout.kind = GroupKind::kV1;
      }
    }
  }
}

}  // namespace

Layout findLayout(FileTree& tree) {
  Layout layout;
  const auto mountInfo = tree.read("/proc/self/mountinfo");
  const auto groups = tree.read("/proc/self/cgroup");
  if (!mountInfo || !groups) {
    layout.why = "/proc/self/cgroup or /proc/self/mountinfo cannot be read";
    return layout;
  }
  const std::vector<Mount> mounts = groupMounts(*mountInfo);
  if (mounts.empty()) {
    layout.why = "no cgroup file system is mounted";
    return layout;
  }
  const Membership membership = parseMembership(*groups);
  if (!memoryIsLegacy(membership)) findUnified(tree, mounts, membership.unified, layout);
  if (layout.kind == GroupKind::kNone) findLegacy(mounts, membership, layout);
  if (layout.kind == GroupKind::kNone) layout.why = "the group of this process is not in sight of any cgroup mount";
  return layout;
}

std::vector<std::string> Layout::places() const {
  std::vector<std::string> places;
  const auto add = [&places](const std::string& folder) {
    if (!folder.empty() && std::find(places.begin(), places.end(), folder) == places.end()) places.push_back(folder);
  };
  for (const std::string& folder : own) add(folder);
  if (kind != GroupKind::kV2) return places;
  add(unified);
  add(unifiedMount);
  return places;
}

}  // namespace computesdk::local::limits
