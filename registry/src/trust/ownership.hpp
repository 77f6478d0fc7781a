#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>

// Who could have changed a file: it and every folder above it must belong to root or to the user, and be writable by
// nobody else. A sticky folder of root (/tmp) is fine: others cannot replace what is in it.
namespace computesdk::registry {

/// Why something is refused, and the command that cures it.
struct OwnershipProblem {
  std::string why;
  std::string fix;
};

struct OwnershipRule {
  uid_t user = 0;         ///< trusted beside root
  bool rootOnly = false;  ///< the user is not enough: every component must be root's
  /// Groups that may write all the same, because they may write the running program too (a checkout made with umask
  /// 002, where its owner's private group can write everything).
  std::set<gid_t> writers;
};

/// Checks folders, each only once. Not thread-safe.
class OwnershipCheck {
 public:
  explicit OwnershipCheck(OwnershipRule rule) : rule_(std::move(rule)) {}

  /// `folder` (absolute) and all above it, along the path as written and along the one it really leads to.
  std::optional<OwnershipProblem> folder(const std::filesystem::path& folder);
  /// The file itself, opened already; `file` is for the messages.
  std::optional<OwnershipProblem> file(const struct stat& info, const std::filesystem::path& file) const;

 private:
  std::optional<OwnershipProblem> component(const struct stat& info, const std::filesystem::path& path) const;
  std::optional<OwnershipProblem> chain(const std::filesystem::path& folder);

  OwnershipRule rule_;
  std::map<std::filesystem::path, std::optional<OwnershipProblem>> folders_;
};

/// Groups that may write `file` or a folder above it.
std::set<gid_t> writingGroups(const std::filesystem::path& file);

}  // namespace computesdk::registry
