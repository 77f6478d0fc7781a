#include "registry_folder.hpp"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "../protocol/wire.hpp"

namespace computesdk::local {
namespace {

Error notOurs(const std::string& path, const char* why) {
  Error error;
  error.kind = ErrorClass::kPermissionDenied;
  error.message = "The registry of local sandboxes, " + path + ", cannot be trusted: " + why;
  error.why = "Whoever can write there could pose as one of your sandboxes.";
  error.fix = "Remove it, or set XDG_RUNTIME_DIR to a folder that only you can write to.";
  return error;
}

// mkdir if absent, open without following a link, check owner and mode.
Result<UniqueFd> ownFolder(int parent, const char* name, mode_t mode, const std::string& shown) {
  if (mkdirat(parent, name, 0700) == 0) {
    if (mode != 0700) fchmodat(parent, name, mode, 0);
  } else if (errno != EEXIST) {
    return systemError(errno, "Cannot make the folder " + shown);
  }
  UniqueFd folder(openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!folder) return systemError(errno, "Cannot open the folder " + shown);
  struct stat status {};
  if (fstat(folder.get(), &status) != 0) return systemError(errno, "Cannot look at " + shown);
  if (status.st_uid != geteuid()) return notOurs(shown, "it belongs to another user");
  if (mode == 0700 && (status.st_mode & 0077) != 0) return notOurs(shown, "others may enter it");
  return folder;
}

// The gate keeps others out; below it, as root, the launchers' unprivileged users need to make entries.
Result<UniqueFd> openBelow(int parent, const char* gate, const std::string& shown) {
  auto outer = ownFolder(parent, gate, 0700, shown);
  if (!outer.ok()) return outer;
  return ownFolder(outer->get(), "local", geteuid() == 0 ? 01777 : 0700, shown + "/local");
}

bool tryLock(int fd) { return flock(fd, LOCK_EX | LOCK_NB) == 0; }

void removeEntry(int registry, const std::string& name) {
  UniqueFd folder(openat(registry, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!folder) return;
  for (const char* file : {"meta.json", "meta.tmp", "sock", "lock"}) unlinkat(folder.get(), file, 0);
  unlinkat(registry, name.c_str(), AT_REMOVEDIR);
}

// An entry that was begun and never finished. Its launcher holds the folder for as long as it lives.
void removeAbandoned(int registry, const std::string& name) {
  UniqueFd folder(openat(registry, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (folder && tryLock(folder.get())) removeEntry(registry, name);
}

}  // namespace

Result<UniqueFd> openRegistry(const std::string& wanted) {
  if (!wanted.empty()) {
    UniqueFd folder(open(wanted.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!folder) return systemError(errno, "Cannot open the registry of local sandboxes " + wanted);
    return openBelow(folder.get(), "computesdk", wanted + "/computesdk");
  }
  const char* runtime = secure_getenv("XDG_RUNTIME_DIR");
  if (runtime != nullptr && runtime[0] == '/') {
    UniqueFd folder(open(runtime, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    struct stat status {};
    if (folder && fstat(folder.get(), &status) == 0 && status.st_uid == geteuid()) {
      return openBelow(folder.get(), "computesdk", std::string(runtime) + "/computesdk");
    }
  }
  const std::string name = "computesdk-" + std::to_string(geteuid());
  UniqueFd folder(open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder) return systemError(errno, "Cannot open /tmp", "Set XDG_RUNTIME_DIR to a folder of your own.");
  return openBelow(folder.get(), name.c_str(), "/tmp/" + name);
}

EntryState entryState(int registry, const std::string& id) {
  UniqueFd lock(openat(registry, (id + "/lock").c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  if (lock) return tryLock(lock.get()) ? EntryState::kStale : EntryState::kLiving;
  return faccessat(registry, id.c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0 ? EntryState::kStale : EntryState::kAbsent;
}

void removeStale(int registry, const std::string& id) {
  if (entryState(registry, id) == EntryState::kStale) removeEntry(registry, id);
}

std::vector<std::string> livingEntries(int registry) {
  std::vector<std::string> names;
  const int copy = openat(registry, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR* folder = copy < 0 ? nullptr : fdopendir(copy);
  if (folder == nullptr) {
    if (copy >= 0) close(copy);
    return names;
  }
  while (const dirent* entry = readdir(folder)) {
    const std::string name = entry->d_name;
    if (name.starts_with(".new-")) {
      removeAbandoned(registry, name);
    } else if (protocol::validId(name.data(), name.size())) {
      names.push_back(name);
    }
  }
  closedir(folder);
  std::erase_if(names, [&](const std::string& name) {
    if (entryState(registry, name) == EntryState::kLiving) return false;
    removeStale(registry, name);
    return true;
  });
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace computesdk::local
