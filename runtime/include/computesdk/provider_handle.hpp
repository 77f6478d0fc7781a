#pragma once

#include <computesdk/capabilities.hpp>
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
class ComputeState;
}

/// One provider by name: compute.provider("e2b"). Loaded on first use. A small value; copy it freely. Thread-safe.
/// Errors of all: E_UNKNOWN_PROVIDER, E_PLUGIN_LOAD, E_AUTH_MISSING, E_UNSUPPORTED and what the provider says.
class COMPUTESDK_API ProviderHandle {
 public:
  [[nodiscard]] const std::string& name() const noexcept { return name_; }

  /// What only this vendor can do. JSON in (empty: none) and out.
  std::string call(std::string_view operation, std::string_view json = {}, std::stop_token stop = {}) {
    return call(nothrow, operation, json, std::move(stop)).value();
  }
  Result<std::string> call(Nothrow, std::string_view operation, std::string_view json = {}, std::stop_token stop = {});

  Capabilities capabilities() { return capabilities(nothrow).value(); }
  Result<Capabilities> capabilities(Nothrow);

  std::vector<TemplateInfo> templates(std::stop_token stop = {}) { return templates(nothrow, std::move(stop)).value(); }
  Result<std::vector<TemplateInfo>> templates(Nothrow, std::stop_token stop = {});
  /// Of one sandbox, or all.
  std::vector<SnapshotInfo> snapshots(std::string_view sandboxId = {}, std::stop_token stop = {}) {
    return snapshots(nothrow, sandboxId, std::move(stop)).value();
  }
  Result<std::vector<SnapshotInfo>> snapshots(Nothrow, std::string_view sandboxId = {}, std::stop_token stop = {});
  /// One that is gone is a success.
  void removeSnapshot(std::string_view id, std::stop_token stop = {}) {
    removeSnapshot(nothrow, id, std::move(stop)).value();
  }
  Result<void> removeSnapshot(Nothrow, std::string_view id, std::stop_token stop = {});

 private:
  friend class Compute;
  ProviderHandle(std::shared_ptr<detail::ComputeState> state, std::string name)
      : state_(std::move(state)), name_(std::move(name)) {}
  std::shared_ptr<detail::ComputeState> state_;
  std::string name_;
};

}  // namespace computesdk
