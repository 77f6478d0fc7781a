#pragma once

#include <computesdk/registry/registry.hpp>

#include <optional>
#include <set>
#include <string>
#include <string_view>

namespace computesdk::registry {

/// The variables that count: the environment's, and behind them those of a file, as far as they are secrets that some
/// manifest asks for. Refers to the options; as thread-safe as their functions.
class Variables {
 public:
  Variables(const RegistryOptions& options, const std::set<std::string, std::less<>>& secretNames)
      : options_(options), secretNames_(secretNames) {}

  /// The value; an empty one counts as unset.
  [[nodiscard]] std::optional<std::string> get(std::string_view name) const;
  [[nodiscard]] bool isSet(std::string_view name) const { return get(name).has_value(); }
  /// " (from ./.env line 3)" for a variable that came from a file; otherwise empty.
  [[nodiscard]] std::string originNote(std::string_view name) const;

 private:
  [[nodiscard]] std::optional<std::string> fromEnvironment(std::string_view name) const;
  [[nodiscard]] const FileVariable* fromFile(std::string_view name) const;

  const RegistryOptions& options_;
  const std::set<std::string, std::less<>>& secretNames_;
};

}  // namespace computesdk::registry
