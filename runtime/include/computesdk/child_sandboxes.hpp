#pragma once

#include <computesdk/export.hpp>
#include <computesdk/result.hpp>
#include <computesdk/types.hpp>

#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

namespace computesdk {

namespace detail {
class SandboxState;
}

struct ChildSandboxOptions {
  std::string directory = {};  ///< its working directory; empty: a new one
  std::stop_token stop = {};
};

struct ChildSandbox {
  std::string subdomain;  ///< its name
  std::string directory;
  bool isMain = false;  ///< the sandbox itself
  std::string url;      ///< of its daemon
  std::optional<SystemTime> createdAt;
};

/// Working directories of one sandbox with a daemon's address of their own: sandbox.sandboxes(). They share files,
/// processes and token. A small value that shares the sandbox's state. Thread-safe. Errors of all: E_NOT_FOUND, and
/// those of Daemon::ensure.
class COMPUTESDK_API ChildSandboxes {
 public:
  ChildSandbox create(const ChildSandboxOptions& options = {}) { return create(nothrow, options).value(); }
  Result<ChildSandbox> create(Nothrow, const ChildSandboxOptions& options = {});
  /// With the main one.
  std::vector<ChildSandbox> list(std::stop_token stop = {}) { return list(nothrow, std::move(stop)).value(); }
  Result<std::vector<ChildSandbox>> list(Nothrow, std::stop_token stop = {});
  ChildSandbox retrieve(std::string_view subdomain, std::stop_token stop = {}) {
    return retrieve(nothrow, subdomain, std::move(stop)).value();
  }
  Result<ChildSandbox> retrieve(Nothrow, std::string_view subdomain, std::stop_token stop = {});
  /// E_INVALID_ARGUMENT for the main one.
  void destroy(std::string_view subdomain, bool deleteFiles = false, std::stop_token stop = {}) {
    destroy(nothrow, subdomain, deleteFiles, std::move(stop)).value();
  }
  Result<void> destroy(Nothrow, std::string_view subdomain, bool deleteFiles = false, std::stop_token stop = {});

 private:
  friend class Sandbox;
  explicit ChildSandboxes(std::shared_ptr<detail::SandboxState> sandbox) : sandbox_(std::move(sandbox)) {}
  std::shared_ptr<detail::SandboxState> sandbox_;
};

}  // namespace computesdk
