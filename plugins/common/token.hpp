#pragma once

#include <computesdk/plugin.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace computesdk::vendor {

/// What a provider wants back with each call about a sandbox: its host, its own tokens, its working directory. Text, so
/// that the host finds the host names in it and lets requests go there:
///
///   csdk1&access=ea_…&domain=e2b.app
///
/// A token may come from an older or newer build, or have been cut or changed on its way: parse answers nothing then,
/// and a provider asks the vendor anew, as for an empty one.
class SandboxToken {
 public:
  /// Nothing for an empty token and for one that this build did not write. Control characters are not accepted.
  static std::optional<SandboxToken> parse(csdk_bytes token);

  /// Empty when there is none.
  [[nodiscard]] std::string get(std::string_view key) const;
  /// Keys are lower-case words; an empty value is left out.
  SandboxToken& set(std::string_view key, std::string_view value);
  /// Throws plugin::Error (CSDK_OUT_OF_RANGE) above CSDK_TOKEN_MAX bytes.
  [[nodiscard]] std::string write() const;

  bool operator==(const SandboxToken&) const = default;

 private:
  std::map<std::string, std::string, std::less<>> values_;
};

}  // namespace computesdk::vendor
