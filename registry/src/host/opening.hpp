#pragma once

#include "errors.hpp"
#include "operations.hpp"

#include <computesdk/registry/loader.hpp>

#include <memory>
#include <vector>

namespace computesdk::registry::host {

/// The configuration as csdk_open_args. Secrets are copied into a SecretStore; everything else is a view of the config,
/// which must outlive this.
class ConfigArgs {
 public:
  /// `references`: the plug-in gets the name of a secret in place of its value.
  ConfigArgs(const ResolvedConfig& config, bool references);

  [[nodiscard]] const csdk_open_args& get() const noexcept { return args_; }
  [[nodiscard]] std::shared_ptr<const SecretStore> secrets() const { return secrets_; }

 private:
  std::shared_ptr<SecretStore> secrets_;
  std::vector<csdk_option> options_;
  csdk_open_args args_{};
};

/// A host context that lives for ever, as its table must.
HostContext& keepContext(std::string provider, bool async, HostHooks hooks, std::shared_ptr<const SecretStore> secrets);

/// Calls provider_open; `failure` is what the plug-in said against the configuration.
csdk_status openTable(const PluginTables& tables, HostContext& host, const csdk_open_args& args,
                      csdk_provider*& provider, CallFailure& failure);

/// The error of a provider_open that ended so.
ErrorInfo openError(csdk_status status, CallFailure failure, HostContext& host);

}  // namespace computesdk::registry::host
