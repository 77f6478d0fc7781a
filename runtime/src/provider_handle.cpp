#include <computesdk/provider_handle.hpp>

#include "core/compute_state.hpp"
#include "core/errors.hpp"
#include "core/sandbox_state.hpp"

#include <utility>

namespace computesdk {
namespace {

/// Opens the provider and calls `f(provider, context)`; the error says who failed.
template <typename F>
auto callProvider(detail::ComputeState& state, const std::string& name, std::stop_token stop, F&& f)
    -> decltype(f(std::declval<registry::Provider&>(), std::declval<const registry::CallContext&>())) {
  auto provider = state.setup()->provider(name);
  if (!provider) return std::move(provider).error();
  detail::RequestId requestId;
  detail::nextRequestId(requestId);
  registry::CallContext context;
  context.stop = std::move(stop);
  context.deadline = detail::deadlineIn(detail::kBootTime);
  context.requestId = requestId;
  auto result = f(**provider, context);
  if (!result && result.error().provider.empty()) result.error().provider = name;
  return result;
}

}  // namespace

Result<std::string> ProviderHandle::call(Nothrow, std::string_view operation, std::string_view json,
                                         std::stop_token stop) {
  if (operation.empty()) {
    return detail::invalidArgument("cannot call the vendor", "the operation's name is empty", "name an operation");
  }
  return callProvider(*state_, name_, std::move(stop),
                      [&](registry::Provider& provider, const registry::CallContext& context) -> Result<std::string> {
                        if (!provider.features().vendorCall) {
                          return detail::methodUnsupported(name_, operation, "it has no calls of its own");
                        }
                        return provider.vendorCall({}, operation, json, context);
                      });
}

Result<Capabilities> ProviderHandle::capabilities(Nothrow) {
  const auto setup = state_->setup();
  auto provider = setup->provider(name_);
  if (!provider) return std::move(provider).error();
  return detail::capabilitiesOf(**provider, setup->config().namedSandboxes);
}

Result<std::vector<TemplateInfo>> ProviderHandle::templates(Nothrow, std::stop_token stop) {
  return callProvider(
      *state_, name_, std::move(stop),
      [&](registry::Provider& provider, const registry::CallContext& context) -> Result<std::vector<TemplateInfo>> {
        if (!provider.features().templates) {
          return detail::methodUnsupported(name_, "templates", "it has none");
        }
        return provider.templateList(context);
      });
}

Result<std::vector<SnapshotInfo>> ProviderHandle::snapshots(Nothrow, std::string_view sandboxId, std::stop_token stop) {
  return callProvider(
      *state_, name_, std::move(stop),
      [&](registry::Provider& provider, const registry::CallContext& context) -> Result<std::vector<SnapshotInfo>> {
        if (!provider.features().snapshot) {
          return detail::methodUnsupported(name_, "snapshots", "it cannot keep a sandbox's disk");
        }
        return provider.snapshotList(sandboxId, context);
      });
}

Result<void> ProviderHandle::removeSnapshot(Nothrow, std::string_view id, std::stop_token stop) {
  if (id.empty()) {
    return detail::invalidArgument("cannot remove a snapshot", "the id is empty", "computesdk snapshot list");
  }
  return callProvider(*state_, name_, std::move(stop),
                      [&](registry::Provider& provider, const registry::CallContext& context) -> Result<void> {
                        if (!provider.features().snapshot) {
                          return detail::methodUnsupported(name_, "snapshots", "it cannot keep a sandbox's disk");
                        }
                        return provider.snapshotRemove(id, context);
                      });
}

}  // namespace computesdk
