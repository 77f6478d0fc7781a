#pragma once

#include <computesdk/computesdk.hpp>

#include <string>
#include <string_view>
#include <vector>

#include "core/arguments.hpp"
#include "core/config.hpp"

namespace computesdk::cli {

/// Options that every verb has.
struct CommonFlags {
  std::string provider;
  std::vector<std::string> providerPaths;
  std::string color;
  bool json = false;
  bool quiet = false;
};

/// `withProvider`, `withJson`: whether the verb has those.
void addCommonFlags(Arguments& arguments, CommonFlags& flags, bool withProvider = true, bool withJson = true);

/// Compute as flags, environment, ./.env and configuration files say. Not thread-safe.
class Session {
 public:
  /// Reads the files and sets up colours. Errors: E_CONFIG, and those of Compute::setConfig.
  static Result<Session> open(const CommonFlags& flags);

  [[nodiscard]] Compute& compute() { return compute_; }
  [[nodiscard]] SandboxManager sandboxes() { return compute_.sandbox(); }
  [[nodiscard]] const Config& config() const { return config_; }

  /// The sandbox that the user means: an id, NS/NAME, or NAME in the namespace "default". Errors: E_NOT_FOUND.
  Result<Sandbox> find(std::string_view word);

 private:
  Session() = default;

  CommonFlags flags_;
  Config config_;
  Compute compute_;
};

/// The file names of this run that providers are looked for in first, made absolute.
std::vector<std::filesystem::path> absolutePaths(const std::vector<std::string>& paths);

}  // namespace computesdk::cli
