#include "library.hpp"
#include "open_provider.hpp"
#include "opening.hpp"

#include "net/net_carrier.hpp"

#include <utility>

namespace computesdk::registry {
namespace host {
namespace {

/// Calls go straight into the plug-in's table.
class TableBackend final : public ProviderBackend {
 public:
  TableBackend(const PluginTables& tables, csdk_provider* provider) : tables_(tables), provider_(provider) {}

  csdk_status start(Op op, csdk_call call, const void* args) override {
    return opInfo(op).invoke(tables_, provider_, call, args);
  }
  void close() override { tables_.plugin.provider_close(provider_); }

 private:
  const PluginTables& tables_;
  csdk_provider* const provider_;
};

}  // namespace
}  // namespace host

Result<std::shared_ptr<Provider>> openInProcess(LoadedPlugin& plugin, std::shared_ptr<const Manifest> manifest,
                                                const ResolvedConfig& config, HostHooks hooks, bool trusted) {
  using namespace host;
  const ConfigArgs args(config, manifest->secrets == Secrets::host);
  const bool async = manifest->threading == Threading::async;
  const NetworkSettings network = hooks.network;
  const std::int64_t graceNs = std::chrono::nanoseconds(hooks.grace).count();
  HostContext& context = keepContext(manifest->name, async, std::move(hooks), args.secrets());
  net::giveHttp(context, *manifest, config, network);
  csdk_provider* provider = nullptr;
  CallFailure failure;
  const csdk_status status = openTable(plugin.tables, context, args.get(), provider, failure);
  if (status != CSDK_OK) {
    ErrorInfo error = openError(status, std::move(failure), context);
    context.close();
    return error;
  }
  OpenedBackend backend;
  backend.engine.graceNs = graceNs;
  backend.backend = std::make_unique<TableBackend>(plugin.tables, provider);
  backend.engine.inlineCalls = manifest->inlineCalls && trusted;
  backend.engine.queued = async;
  backend.engine.serialize = manifest->serialize;
  backend.present = plugin.tables.present;
  backend.extendMeaning = plugin.tables.lifetime.extend_meaning;
  backend.placement = "in-process";
  return std::shared_ptr<Provider>(std::make_shared<OpenProvider>(std::move(manifest), context, std::move(backend)));
}

PluginHealth pluginHealth(const Provider& provider) noexcept {
  const auto* open = dynamic_cast<const host::OpenProvider*>(&provider);
  return open == nullptr ? PluginHealth{} : open->health();
}

}  // namespace computesdk::registry
