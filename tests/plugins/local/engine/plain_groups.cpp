#include "plain_groups.hpp"

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace computesdk::local::testing {
namespace {

namespace fs = std::filesystem;

std::string parentOf(const std::string& path) { return path.substr(0, path.rfind('/')); }

void put(const std::string& file, const std::string& text) { std::ofstream(file, std::ios::trunc) << text; }

void furnish(const std::string& folder, const std::string& controllers) {
  put(folder + "/cgroup.controllers", controllers + "\n");
  for (const char* name : {"/cgroup.procs", "/cgroup.subtree_control"}) put(folder + name, "");
}

}  // namespace

std::string textOf(const std::string& file) {
  std::ifstream in(file);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

PlainGroups::PlainGroups(std::string root, const std::string& own) : root_(std::move(root)) {
  fs::create_directories(root_ + "/proc/self");
  put(root_ + "/proc/self/mountinfo", "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n");
  put(root_ + "/proc/self/cgroup", "0::" + own + "\n");
  group("", "cpu memory pids");
}

void PlainGroups::group(const std::string& path, const std::string& controllers) {
  fs::create_directories(place(path));
  furnish(place(path), controllers);
}

std::string PlainGroups::text(const std::string& path) const { return textOf(place(path)); }

Status PlainGroups::write(const std::string& path, std::string_view text) {
  const std::lock_guard lock(mutex_);
  const std::string file = root_ + path, folder = parentOf(file);
  if (!fs::exists(file)) return systemError(ENOENT, path);
  if (path.ends_with("/cgroup.subtree_control")) {
    const std::string controller(text.substr(1));
    if (textOf(folder + "/cgroup.controllers").find(controller) == std::string::npos) return systemError(ENOENT, path);
    if (!textOf(folder + "/cgroup.procs").empty() && folder != place("")) return systemError(EBUSY, path);
    if (textOf(file).find(controller) == std::string::npos) put(file, textOf(file) + controller + " ");
    return okStatus();
  }
  if (path.ends_with("/cgroup.procs")) {
    const std::string line = std::string(text) + "\n";
    for (const auto& entry : fs::recursive_directory_iterator(place(""))) {
      if (entry.path().filename() != "cgroup.procs") continue;
      const std::string there = textOf(entry.path());
      if (const std::size_t at = ("\n" + there).find("\n" + line); at != std::string::npos) {
        put(entry.path(), std::string(there).erase(at, line.size()));
      }
    }
    put(file, textOf(file) + line);
    return okStatus();
  }
  return real_->write(root_ + path, text);
}

Status PlainGroups::makeDirectory(const std::string& path) {
  const std::lock_guard lock(mutex_);
  Status made = real_->makeDirectory(root_ + path);
  if (made.ok()) furnish(root_ + path, textOf(parentOf(root_ + path) + "/cgroup.subtree_control"));
  return made;
}

Status PlainGroups::removeDirectory(const std::string& path) {
  const std::lock_guard lock(mutex_);
  const auto inside = real_->folders(root_ + path);
  if (!inside.ok()) return inside.error();
  if (!inside->empty()) return systemError(ENOTEMPTY, path);
  std::error_code failed;
  fs::remove_all(root_ + path, failed);
  return failed ? Status(systemError(failed.value(), path)) : okStatus();
}

}  // namespace computesdk::local::testing
