// The control group tree as four operations on text files and folders, so that every kernel's layout can be tested.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "../engine/result.hpp"
#include "../engine/unique_fd.hpp"

namespace computesdk::local::limits {

// Paths are absolute. Failures carry the errno in Error::systemError; nothing is retried here. Implementations are
// thread-safe.
class FileTree {
 public:
  virtual ~FileTree() = default;
  // Whole file, at most 1 MiB (kResourceExhausted beyond).
  virtual Result<std::string> read(const std::string& path) = 0;
  // One write() of all of `text` to an existing file: control files take a value per call.
  virtual Status write(const std::string& path, std::string_view text) = 0;
  virtual Status makeDirectory(const std::string& path) = 0;
  // ENOTEMPTY with child folders, EBUSY with processes inside.
  virtual Status removeDirectory(const std::string& path) = 0;
  // Names of the folders inside, sorted.
  virtual Result<std::vector<std::string>> folders(const std::string& path) = 0;
  virtual bool exists(const std::string& path) = 0;
  virtual bool writable(const std::string& path) = 0;
  // Hands a folder or a file to another owner.
  virtual Status setOwner(const std::string& path, uid_t uid, gid_t gid) = 0;
  virtual Result<uid_t> owner(const std::string& path) = 0;
  // Returns when the group at `path` may have lost its last process, or after `most`: by cgroup.events where the
  // kernel has it, else after some milliseconds. May return early.
  virtual void waitForExit(const std::string& path, std::chrono::milliseconds most) = 0;
  // The folder, open (usable as the dirfd of mkdirat and openat).
  virtual Result<UniqueFd> openFolder(const std::string& path) = 0;
  // The same with an exclusive lock that lives as long as the description does, in whatever process: EAGAIN when
  // somebody else holds it.
  virtual Result<UniqueFd> lockFolder(const std::string& path) = 0;
};

// The machine's own tree.
std::shared_ptr<FileTree> realFileTree();

}  // namespace computesdk::local::limits
