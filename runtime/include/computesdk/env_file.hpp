#pragma once

#include <computesdk/export.hpp>
#include <computesdk/result.hpp>
#include <computesdk/types.hpp>

#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

namespace computesdk {

namespace detail {
class SandboxState;
}

/// Files of variables (.env) in one sandbox: sandbox.env(). Paths are relative to the working directory, or absolute. A
/// small value that shares the sandbox's state. Thread-safe. Errors of all: those of Daemon::ensure.
class COMPUTESDK_API EnvFiles {
 public:
  /// E_FILE_NOT_FOUND when there is no such file.
  StringMap retrieve(std::string_view file, std::stop_token stop = {}) {
    return retrieve(nothrow, file, std::move(stop)).value();
  }
  Result<StringMap> retrieve(Nothrow, std::string_view file, std::stop_token stop = {});
  /// Sets variables and leaves the others, comments and the order of lines as they are; makes the file if needed. The
  /// names that were set.
  std::vector<std::string> update(std::string_view file, const StringMap& variables, std::stop_token stop = {}) {
    return update(nothrow, file, variables, std::move(stop)).value();
  }
  Result<std::vector<std::string>> update(Nothrow, std::string_view file, const StringMap& variables,
                                          std::stop_token stop = {});
  /// The names that were there.
  std::vector<std::string> remove(std::string_view file, const std::vector<std::string>& keys,
                                  std::stop_token stop = {}) {
    return remove(nothrow, file, keys, std::move(stop)).value();
  }
  Result<std::vector<std::string>> remove(Nothrow, std::string_view file, const std::vector<std::string>& keys,
                                          std::stop_token stop = {});
  bool exists(std::string_view file, std::stop_token stop = {}) {
    return exists(nothrow, file, std::move(stop)).value();
  }
  Result<bool> exists(Nothrow, std::string_view file, std::stop_token stop = {});

 private:
  friend class Sandbox;
  explicit EnvFiles(std::shared_ptr<detail::SandboxState> sandbox) : sandbox_(std::move(sandbox)) {}
  std::shared_ptr<detail::SandboxState> sandbox_;
};

}  // namespace computesdk
