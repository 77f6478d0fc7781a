#pragma once

#include <computesdk/result.hpp>

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace computesdk::registry {

struct TrustedLibrary {
  std::string sha256;
  std::string name;            ///< of the provider, for people
  std::filesystem::path file;  ///< where it was when it was trusted, for people
};

/// What the user trusts, in trust.json: {"version": 1, "trusted": [{"sha256", "name", "file"}]}. Only the hash counts.
/// Each call reads the file anew; processes may add at once. Thread-safe.
class TrustFile {
 public:
  TrustFile(std::filesystem::path file, uid_t user) : file_(std::move(file)), user_(user) {}

  [[nodiscard]] const std::filesystem::path& file() const noexcept { return file_; }
  /// No file: an empty list. Errors (E_CONFIG): it cannot be understood, or somebody else could have written it.
  [[nodiscard]] Result<std::vector<TrustedLibrary>> read() const;
  /// Adds one, or does nothing when its hash is there. Folder 0700 and file 0600, replaced in one step. Errors
  /// (E_CONFIG) as read, or what the system says; nothing is changed then.
  [[nodiscard]] Result<void> add(const TrustedLibrary& library) const;

 private:
  std::filesystem::path file_;
  uid_t user_;
};

}  // namespace computesdk::registry
