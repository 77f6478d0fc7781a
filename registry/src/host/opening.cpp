#include "opening.hpp"

#include "convert.hpp"

#include <list>
#include <mutex>
#include <utility>

namespace computesdk::registry::host {
namespace {

std::string_view secretText(const ConfigValue& value) {
  const auto* text = std::get_if<std::string>(&value.value);
  return value.secret && text != nullptr ? std::string_view(*text) : std::string_view{};
}

/// provider_open pushes nothing but its failure.
class NoResults final : public CallSink {
 public:
  void output(std::uint32_t, std::span<const std::byte>) override {}
  csdk_status result(ResultKind, const void*) override { return CSDK_INVALID_ARGUMENT; }
};

}  // namespace

ConfigArgs::ConfigArgs(const ResolvedConfig& config, bool references) {
  std::size_t secretBytes = 0;
  for (const ConfigValue& value : config) secretBytes += secretText(value).size();
  secrets_ = std::make_shared<SecretStore>(secretBytes);
  options_.reserve(config.size());
  for (const ConfigValue& value : config) {
    csdk_option option = toOption(value.key, value.value);
    if (value.secret) option.flags = CSDK_OPTION_SECRET;
    if (const std::string_view text = secretText(value); !text.empty()) {
      const std::string_view kept = secrets_->add(text);
      option.s = toBytes(references ? std::string_view(value.key) : kept);
      if (references) option.flags |= CSDK_OPTION_SECRET_REF;
    }
    options_.push_back(option);
  }
  args_.struct_size = sizeof args_;
  args_.config = {options_.data(), options_.size()};
}

HostContext& keepContext(std::string provider, bool async, HostHooks hooks,
                         std::shared_ptr<const SecretStore> secrets) {
  static auto& mutex = *new std::mutex;
  static auto& contexts = *new std::list<HostContext>;
  std::lock_guard lock(mutex);
  return contexts.emplace_back(std::move(provider), async, std::move(hooks), std::move(secrets));
}

ErrorInfo openError(csdk_status status, CallFailure failure, HostContext& host) {
  CallEnd end;
  end.status = status;
  end.failure = std::move(failure);
  ErrorInfo error = errorOf(end, {Op::open, host.provider(), {}, {}, {}, true}, CallContext{}, host);
  error.what = "cannot open provider '" + host.provider() + "'";
  if (error.fix.empty()) error.fix = "see what it needs: computesdk provider info " + host.provider();
  return error;
}

csdk_status openTable(const PluginTables& tables, HostContext& host, const csdk_open_args& args,
                      csdk_provider*& provider, CallFailure& failure) {
  NoResults sink;
  CallSlot* slot = CallTable::instance().acquire();
  if (slot == nullptr) return CSDK_RESOURCE_EXHAUSTED;
  slot->begin(host, sink, false, 0);
  csdk_status status = tables.plugin.provider_open(&host.table(), slot->token(), &args, &provider);
  if (status > 0 || (status == CSDK_OK && provider == nullptr)) {
    host.misbehaved("provider_open answered " + std::to_string(status) + " without a provider");
    status = CSDK_INTERNAL;
  }
  if (!slot->claim(status)) host.misbehaved("provider_open completed its call itself");
  while (!slot->over()) slot->event().wait(slot->event().current(), monotonicNs() + 1'000'000);
  slot->settle();
  failure = slot->takeFailure();
  slot->release();
  return status;
}

}  // namespace computesdk::registry::host
