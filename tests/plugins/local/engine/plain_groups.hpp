// A control group tree of plain files in a folder: what the kernel does for the host's side is done here, and what the
// launcher writes stays to be looked at.
#pragma once

#include <limits/file_tree.hpp>
#include <mutex>
#include <string>

namespace computesdk::local::testing {

// All of a file; empty when there is none.
std::string textOf(const std::string& file);

// v2, mounted at /sys/fs/cgroup, with this process in the group `own`. Every path is below `root`.
class PlainGroups final : public limits::FileTree {
 public:
  PlainGroups(std::string root, const std::string& own);
  // A group's folder below the mount, with what the kernel puts there.
  void group(const std::string& path, const std::string& controllers);
  std::string text(const std::string& path) const;
  // On disk.
  std::string place(const std::string& path) const { return root_ + "/sys/fs/cgroup" + path; }

  Result<std::string> read(const std::string& path) override { return real_->read(root_ + path); }
  Status write(const std::string& path, std::string_view text) override;
  Status makeDirectory(const std::string& path) override;
  Status removeDirectory(const std::string& path) override;
  Result<std::vector<std::string>> folders(const std::string& path) override { return real_->folders(root_ + path); }
  bool exists(const std::string& path) override { return real_->exists(root_ + path); }
  bool writable(const std::string& path) override { return real_->writable(root_ + path) && path != locked; }
  Status setOwner(const std::string& path, uid_t uid, gid_t gid) override {
    return real_->setOwner(root_ + path, uid, gid);
  }
  Result<uid_t> owner(const std::string& path) override { return real_->owner(root_ + path); }
  void waitForExit(const std::string& path, std::chrono::milliseconds most) override {
    real_->waitForExit(root_ + path, most);
  }
  Result<UniqueFd> openFolder(const std::string& path) override { return real_->openFolder(root_ + path); }
  Result<UniqueFd> lockFolder(const std::string& path) override { return real_->lockFolder(root_ + path); }

  std::string locked;  // a folder that may not be written

 private:
  const std::string root_;
  std::shared_ptr<limits::FileTree> real_ = limits::realFileTree();
  std::mutex mutex_;
};

}  // namespace computesdk::local::testing
