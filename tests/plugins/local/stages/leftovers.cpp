#include "leftovers.hpp"

#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <limits/delegation.hpp>

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

std::vector<std::string> groupsIn(const std::string& path) {
  std::vector<std::string> folders;
  std::error_code error;
  for (fs::directory_iterator at(path, fs::directory_options::skip_permission_denied, error), end; !error && at != end;
       at.increment(error)) {
    std::error_code ignored;
    const bool folder = at->symlink_status(ignored).type() == fs::file_type::directory;
    if (folder && limits::ownerInName(at->path().filename().string())) folders.push_back(at->path());
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
      places.push_back(top + "/" + controllers + own);
      continue;
    }
    for (const char* mount : {"", "/unified"}) {
      places.push_back(top + mount);
      if (!own.empty()) places.push_back(top + mount + own);
    }
  }
  return places;
}

// Whoever has a living launcher there holds a lock on it. Only looked at: taking it would hinder somebody's sweep.
bool launcherGone(const std::string& group) {
  struct stat status {};
  if (stat(group.c_str(), &status) != 0) return false;
  const std::string inode = ":" + std::to_string(status.st_ino) + " ";
  std::ifstream locks("/proc/locks");
  for (std::string line; std::getline(locks, line);) {
    if (line.find("FLOCK") != std::string::npos && line.find(inode) != std::string::npos) return false;
  }
  return true;
}

// Mounts of programs that run beside this one do not come here. Only who may do this could leave a mount behind.
bool keepMountsApart() {
  return unshare(CLONE_NEWNS) == 0 && mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
}

}  // namespace

Leftovers::Leftovers(std::string scratch, bool groups)
    : scratch_(std::move(scratch)), looksAtMounts_(keepMountsApart()), mounts_(mountsNow()) {
  if (groups) places_ = placesOfGroups();
  for (const std::string& place : places_) {
    for (const std::string& group : groupsIn(place)) known_.insert(group);
  }
}

void Leftovers::beforeNextStart() {
  dead_.clear();
  for (const std::string& place : places_) {
    if (access(place.c_str(), W_OK) != 0) continue;  // somebody else's
    for (const std::string& group : groupsIn(place)) {
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
    if (looksAtMounts_ && !mounts_.contains(mount)) found.push_back("mount " + mount);
  }
  for (const std::string& group : dead_) {
    if (fs::exists(group, ignored)) found.push_back("control group " + group);
  }
  return found;
}

}  // namespace computesdk::local::testing
