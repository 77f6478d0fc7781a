#include "memory/private_folder.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace computesdk::detail {
namespace {

ErrorInfo folderError(const std::string& what, std::string why, std::string fix) {
  ErrorInfo error;
  error.code = ErrorCode::store;
  error.what = what;
  error.why = std::move(why);
  error.fix = std::move(fix);
  return error;
}

/// 0, or what mkdir said.
int makeFolders(const std::filesystem::path& folder) {
  if (::mkdir(folder.c_str(), 0700) == 0 || errno == EEXIST) return 0;
  if (errno != ENOENT || !folder.has_relative_path()) return errno;
  if (const int error = makeFolders(folder.parent_path()); error != 0) return error;
  return ::mkdir(folder.c_str(), 0700) == 0 || errno == EEXIST ? 0 : errno;
}

}  // namespace

Result<void> makePrivateFolder(const std::filesystem::path& folder, const std::string& what) {
  const std::string name = folder.string();
  if (const int error = makeFolders(folder); error != 0) {
    return folderError(what, "cannot make the folder " + name + ": " + std::strerror(error),
                       "make it yourself, or set XDG_STATE_HOME to a folder that can be written");
  }
  struct stat info {};
  if (::stat(folder.c_str(), &info) != 0 || !S_ISDIR(info.st_mode)) {
    return folderError(what, name + " is not a folder", "move it away, or set XDG_STATE_HOME to another folder");
  }
  const uid_t us = ::geteuid();
  if (us != 0 && info.st_uid != us && info.st_uid != 0) {
    return folderError(what, "the folder " + name + " belongs to user " + std::to_string(info.st_uid),
                       "set XDG_STATE_HOME to a folder of yours");
  }
  if ((info.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    // One for everybody, such as /tmp, stays so.
    const bool shared = (info.st_mode & S_ISVTX) != 0 || info.st_uid != us;
    return folderError(what, "other users can write to the folder " + name,
                       shared ? "set XDG_STATE_HOME to a folder of your own" : "chmod 700 " + name);
  }
  return {};
}

}  // namespace computesdk::detail
