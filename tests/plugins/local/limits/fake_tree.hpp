// A file tree in memory that behaves like the kernel's control groups.
#pragma once

#include <limits/file_tree.hpp>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace computesdk::local::limits {

class FakeTree final : public FileTree {
 public:
  struct Node {
    bool folder = false;
    std::string text;
    uid_t owner = 0;
    bool writable = true;
  };

  void file(const std::string& path, const std::string& text);
  void folder(const std::string& path);
  // A group's folder with the files that the kernel puts there. `controllers`: what it may use, e.g. "memory pids".
  void groupV2(const std::string& path, const std::string& controllers);
  void groupV1(const std::string& path);
  std::string text(const std::string& path) const;
  std::vector<std::string> under(const std::string& prefix) const;  // every folder

  Result<std::string> read(const std::string& path) override;
  Status write(const std::string& path, std::string_view text) override;
  Status makeDirectory(const std::string& path) override;
  Status removeDirectory(const std::string& path) override;
  Result<std::vector<std::string>> folders(const std::string& path) override;
  bool exists(const std::string& path) override { return nodes.count(path) != 0; }
  bool writable(const std::string& path) override;
  Status setOwner(const std::string& path, uid_t uid, gid_t gid) override;
  Result<uid_t> owner(const std::string& path) override;
  void waitForExit(const std::string& path, std::chrono::milliseconds most) override;
  Result<UniqueFd> openFolder(const std::string& path) override;
  Result<UniqueFd> lockFolder(const std::string& path) override;

  std::map<std::string, Node> nodes;
  std::map<std::string, int> failures;  // "write /path", "mkdir /path" … -> errno
  std::set<std::string> locked;
  std::set<std::string> unreadable;  // a test fails that reads one of them
  std::vector<std::string> log;      // what was done, in order
  std::set<std::string> v2Folders;
  int waits = 0;
  int waitsUntilEmpty = 0;  // processes end after so many waits, if > 0

 private:
  Error failure(int code, const std::string& path) { return systemError(code, path); }
  int planned(const std::string& operation, const std::string& path);
  void removeProcess(const std::string& pid, bool v2, const std::string& hierarchy);
};

}  // namespace computesdk::local::limits
