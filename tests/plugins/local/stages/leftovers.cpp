#include "leftovers.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "engine/unique_fd.hpp"

namespace computesdk::local::testing {
namespace {

namespace fs = std::filesystem;

// Mount points with their source and type; the numbers in front change when anything is mounted elsewhere.
std::set<std::string> mountsNow() {
  std::set<std::string> mounts;
  std::ifstream file("/proc/self/mountinfo");
  for (std::string line; std::getline(file, line);) {
    const std::size_t dash = line.find(" - ");
    std::size_t start = 0;
    for (int i = 0; i < 4 && start != std::string::npos; ++i) start = line.find(' ', start + 1);
    if (dash == std::string::npos || start >= dash) continue;
    mounts.insert(line.substr(start + 1, line.find(' ', start + 1) - start - 1) + line.substr(dash));
  }
  return mounts;
}

std::vector<std::string> foldersIn(const std::string& path) {
  std::vector<std::string> folders;
  std::error_code error;
  for (fs::directory_iterator at(path, fs::directory_options::skip_permission_denied, error), end; !error && at != end;
       at.increment(error)) {
    std::error_code ignored;
    if (at->symlink_status(ignored).type() == fs::file_type::directory) folders.push_back(at->path());
  }
  return folders;
}

// Where launchers of this process get their groups: below its own group of each hierarchy, and for the unified one, as
// root, at its top.
std::vector<std::string> placesOfGroups() {
  const std::string top = "/sys/fs/cgroup";
  std::vector<std::string> places;
  std::ifstream file("/proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {
    const std::size_t first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const std::string own = line.size() == second + 2 ? "" : line.substr(second + 1);
    if (!controllers.empty()) {
      places.push_back(top + "/" + controllers + own + "/computesdk");
      continue;
    }
    for (const char* mount : {"", "/unified"}) {
      places.push_back(top + mount + "/computesdk");
      if (!own.empty()) places.push_back(top + mount + own + "/computesdk");
    }
  }
  return places;
}

// Whoever has a living launcher there holds a lock on it.
bool launcherGone(const std::string& group) {
  const UniqueFd folder(open(group.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  return folder && flock(folder.get(), LOCK_EX | LOCK_NB) == 0;
}

}  // namespace

Leftovers::Leftovers(std::string scratch)
    : scratch_(std::move(scratch)), mounts_(mountsNow()), places_(placesOfGroups()) {
  for (const std::string& place : places_) {
    for (const std::string& group : foldersIn(place)) known_.insert(group);
  }
}

void Leftovers::beforeNextStart() {
  dead_.clear();
  for (const std::string& place : places_) {
    for (const std::string& group : foldersIn(place)) {
      if (!known_.contains(group) && launcherGone(group)) dead_.insert(group);
    }
  }
}

std::vector<std::string> Leftovers::found() const {
  std::vector<std::string> found;
  std::error_code ignored;
  const std::string registry = scratch_ + "/computesdk/local";
  for (const auto& entry : fs::recursive_directory_iterator(scratch_, ignored)) {
    const std::string path = entry.path();
    if (path != registry && path != scratch_ + "/computesdk") found.push_back("file " + path);
  }
  for (const std::string& mount : mountsNow()) {
    if (!mounts_.contains(mount)) found.push_back("mount " + mount);
  }
  for (const std::string& group : dead_) {
    if (fs::exists(group, ignored)) found.push_back("control group " + group);
  }
  return found;
}

}  // namespace computesdk::local::testing
