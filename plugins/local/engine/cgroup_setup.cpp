#include "cgroup_setup.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <optional>
#include <vector>

namespace computesdk::local {
namespace {

std::string readAll(const std::string& path) {
  UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::string text;
  char block[4096];
  ssize_t n;
  while (file && (n = read(file.get(), block, sizeof block)) > 0) text.append(block, static_cast<std::size_t>(n));
  return text;
}

std::vector<std::string> split(const std::string& text, char by) {
  std::vector<std::string> parts;
  std::size_t start = 0;
  for (std::size_t at; (at = text.find(by, start)) != std::string::npos; start = at + 1) {
    parts.push_back(text.substr(start, at - start));
  }
  parts.push_back(text.substr(start));
  return parts;
}

bool contains(const std::string& list, const std::string& word, char by) {
  for (const std::string& part : split(list, by)) {
    if (part == word) return true;
  }
  return false;
}

// What the kernel says of the hierarchies, read once.
struct Hierarchies {
  explicit Hierarchies(const CgroupView& view)
      : prefix(view.prefix), mounts(split(readAll(view.mountInfo), '\n')), own(split(readAll(view.ownCgroup), '\n')) {}
  std::string prefix;
  std::vector<std::string> mounts, own;
};

// Mount point of a v1 controller, or of v2 for an empty name.
std::string mountPoint(const Hierarchies& view, const std::string& controller) {
  for (const std::string& line : view.mounts) {
    if (line.find(" - cgroup") == std::string::npos) continue;
    const std::size_t dash = line.find(" - ");
    const auto front = split(line.substr(0, dash), ' '), back = split(line.substr(dash + 3), ' ');
    if (front.size() < 5 || back.size() < 3) continue;
    const bool v2 = back[0] == "cgroup2";
    if (controller.empty() ? v2 : back[0] == "cgroup" && contains(back[2], controller, ',')) {
      return view.prefix + front[4];
    }
  }
  return {};
}

// This process's own path in a hierarchy.
std::string ownPath(const Hierarchies& view, const std::string& controller) {
  for (const std::string& line : view.own) {
    const std::size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string names = line.substr(first + 1, second - first - 1);
    if (controller.empty() ? names.empty() : contains(names, controller, ',')) return line.substr(second + 1);
  }
  return {};
}

void removeChildren(int folder) {
  const int copy = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR* list = copy < 0 ? nullptr : fdopendir(copy);
  if (list == nullptr) return;
  while (const dirent* entry = readdir(list)) {
    if (entry->d_name[0] != '.' && entry->d_type == DT_DIR) unlinkat(folder, entry->d_name, AT_REMOVEDIR);
  }
  closedir(list);
}

// Folders of launchers that are gone: nobody holds their lock.
void sweep(int parent) {
  const int copy = openat(parent, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR* list = copy < 0 ? nullptr : fdopendir(copy);
  if (list == nullptr) return;
  while (const dirent* entry = readdir(list)) {
    if (entry->d_name[0] == '.' || entry->d_type != DT_DIR) continue;
    UniqueFd folder(openat(parent, entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!folder || flock(folder.get(), LOCK_EX | LOCK_NB) != 0) continue;
    removeChildren(folder.get());
    unlinkat(parent, entry->d_name, AT_REMOVEDIR);
  }
  closedir(list);
}

// BASE/computesdk/RANDOM, locked. Empty when BASE cannot be written.
UniqueFd makePlace(const std::string& base, std::uint32_t owner, bool v2) {
  UniqueFd root(open(base.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!root) return {};
  const auto enable = [](int folder) {
    UniqueFd file(openat(folder, "cgroup.subtree_control", O_WRONLY | O_CLOEXEC));
    for (const char* controller : {"+memory", "+cpu"}) {
      if (file && write(file.get(), controller, std::char_traits<char>::length(controller)) < 0) continue;
    }
  };
  mkdirat(root.get(), "computesdk", 0755);
  UniqueFd ours(openat(root.get(), "computesdk", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!ours) return {};
  if (v2) enable(root.get());
  if (v2) enable(ours.get());
  sweep(ours.get());
  for (int attempt = 0; attempt < 3; ++attempt) {  // somebody's sweep may come between making and locking
    std::uint64_t number = 0;
    if (getrandom(&number, sizeof number, 0) != sizeof number) return {};
    char name[32];
    snprintf(name, sizeof name, "%016llx", static_cast<unsigned long long>(number));
    if (mkdirat(ours.get(), name, 0755) != 0) return {};
    UniqueFd place(openat(ours.get(), name, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!place || flock(place.get(), LOCK_EX | LOCK_NB) != 0) continue;
    if (faccessat(ours.get(), name, F_OK, 0) != 0) continue;
    if (v2) enable(place.get());
    if (fchown(place.get(), owner, owner) != 0 && geteuid() == 0) return {};
    return place;
  }
  return {};
}

UniqueFd placeFor(const Hierarchies& view, const std::string& controller, std::uint32_t owner) {
  const std::string mount = mountPoint(view, controller);
  if (mount.empty()) return {};
  // Below our own cgroup first, so that whatever limits us limits the sandboxes too.
  const std::string own = ownPath(view, controller);
  if (own.size() > 1 && access((mount + own).c_str(), W_OK) == 0) {
    if (UniqueFd place = makePlace(mount + own, owner, false)) return place;
  }
  return access(mount.c_str(), W_OK) == 0 ? makePlace(mount, owner, false) : UniqueFd{};
}

std::optional<CgroupPlace> unified(const Hierarchies& view, std::uint32_t owner) {
  const std::string mount = mountPoint(view, "");
  if (mount.empty()) return std::nullopt;
  std::string base = mount + ownPath(view, "");
  if (base.ends_with('/')) base.pop_back();
  // A cgroup that holds processes may not hand controllers down, so as root the top is used.
  if (geteuid() == 0) base = mount;
  const std::string controllers = readAll(base + "/cgroup.controllers");
  if (controllers.find("memory") == std::string::npos || access(base.c_str(), W_OK) != 0) return std::nullopt;
  CgroupPlace place;
  place.memory = makePlace(base, owner, true);
  if (!place.memory) return std::nullopt;
  // Only now is it known whether the controller really came down.
  const int check = openat(place.memory.get(), "cgroup.subtree_control", O_RDONLY | O_CLOEXEC);
  UniqueFd file(check);
  char text[256] = {};
  if (!file || read(file.get(), text, sizeof text - 1) <= 0) return std::nullopt;
  if (std::string_view(text).find("memory") == std::string_view::npos) return std::nullopt;
  if (std::string_view(text).find("cpu") != std::string_view::npos) {
    place.cpu = UniqueFd(fcntl(place.memory.get(), F_DUPFD_CLOEXEC, 3));
  }
  place.kind = protocol::CgroupKind::kV2;
  return place;
}

}  // namespace

CgroupPlace prepareCgroups(const CgroupView& view, std::uint32_t owner) {
  const Hierarchies hierarchies(view);
  if (auto place = unified(hierarchies, owner)) return std::move(*place);
  CgroupPlace place;
  place.memory = placeFor(hierarchies, "memory", owner);
  if (!place.memory) return {};
  place.cpu = placeFor(hierarchies, "cpu", owner);
  place.kind = protocol::CgroupKind::kV1;
  return place;
}

}  // namespace computesdk::local
