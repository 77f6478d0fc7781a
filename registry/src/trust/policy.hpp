#pragma once

#include <computesdk/result.hpp>

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace computesdk::registry {

/// The administrator's word on which providers may be used, from /etc/computesdk/policy.json:
/// {"allow": [names], "deny": [names], "require_checksum": false}. Immutable after reading.
struct Policy {
  std::filesystem::path file;
  bool limitsAllowed = false;  ///< "allow" is there: only those
  std::vector<std::string> allow;
  std::vector<std::string> deny;
  bool requireChecksum = false;  ///< outside the product's folder a library needs a sha256 in its manifest

  /// Why `name` is denied, or an empty string.
  [[nodiscard]] std::string denies(std::string_view name) const;
};

/// No file: everything is allowed. A file that cannot be read or understood, or that others than root could have
/// written, is an error (E_POLICY), because ignoring it would lift what it forbids.
Result<Policy> readPolicy(const std::filesystem::path& file);

}  // namespace computesdk::registry
