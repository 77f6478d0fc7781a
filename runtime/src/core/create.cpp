#include "core/create.hpp"

#include "core/errors.hpp"
#include "core/validate.hpp"
#include "named/named_store.hpp"
#include "named/naming.hpp"

#include <algorithm>

namespace computesdk::detail {
namespace {

/// The newest sandbox that a create said to have begun.
class Begun {
 public:
  void set(const registry::SandboxRecord& record) {
    std::lock_guard lock(mutex_);
    record_ = record;
  }
  [[nodiscard]] std::optional<registry::SandboxRecord> get() const {
    std::lock_guard lock(mutex_);
    return record_;
  }

 private:
  mutable std::mutex mutex_;
  std::optional<registry::SandboxRecord> record_;
};

/// A create failed: sees to it that nothing stays behind where that can be known.
void cleanUpAfter(Setup& setup, registry::Provider& provider, const Begun& begun, bool remembers, ErrorInfo& error) {
  auto record = begun.get();
  if (!record) return;
  const bool mayStand = (error.maybeApplied && !error.orphanGone) || error.code == ErrorCode::cancelled ||
                        error.code == ErrorCode::timeout;
  if (!mayStand) {
    if (remembers) setup.memory().forget(provider.name(), record->info.id);
    return;
  }
  error.sandboxId = record->info.id;
  if (!discard(setup, provider, *record)) return;
  error.orphanGone = true;
  if (remembers) setup.memory().forget(provider.name(), record->info.id);
}

void saveOrWarn(Setup& setup, const RememberedSandbox& sandbox) {
  auto saved = setup.memory().save(sandbox);
  if (!saved) setup.log(LogLevel::warning, sandbox.provider, saved.error().firstLine());
}

}  // namespace

registry::CreateRequest requestFrom(const CreateOptions& options, const StringMap& extra) {
  registry::CreateRequest request;
  request.name = options.name;
  request.templateId = options.templateId;
  request.image = options.image;
  request.snapshotId = options.snapshotId;
  request.runtime = options.runtime;
  request.workingDirectory = options.directory;
  request.env = options.envs;
  request.metadata = options.metadata;
  for (const auto& [key, value] : extra) request.metadata.insert_or_assign(key, value);
  request.ports = options.ports;
  if (options.timeout) {
    request.timeout = options.timeout->count() == 0 ? std::chrono::milliseconds(-1) : *options.timeout;
  }
  request.cpuMilli = options.cpuMilli;
  request.memoryBytes = options.memoryBytes;
  request.diskBytes = options.diskBytes;
  request.processLimit = options.processLimit;
  request.network = options.network;
  request.requireHardLimits = options.requireHardLimits;
  request.isolationNone = options.isolationNone;
  request.dieWithHost = options.dieWithHost;
  request.idempotencyKey = newUuid();
  request.options = options.options;
  return request;
}

Result<void> checkCreateOptions(const CreateOptions& options) {
  constexpr std::string_view kWhat = "cannot create a sandbox";
  auto bad = [&](std::string why, std::string fix = {}) -> Result<void> {
    return invalidArgument(std::string(kWhat), std::move(why), std::move(fix));
  };
  if (options.timeout && options.timeout->count() < 0) return bad("timeout is negative", "give 0 for no end");
  if (options.createTimeout && options.createTimeout->count() <= 0)
    return bad("createTimeout is not positive", "give at least 1 ms");
  if (options.cpuMilli < 0 || options.memoryBytes < 0 || options.diskBytes < 0 || options.processLimit < 0) {
    return bad("a limit is negative", "give 0 for the provider's default");
  }
  if (std::ranges::find(options.ports, 0) != options.ports.end())
    return bad("0 is not a port", "give ports from 1 to 65535");
  if (auto named = checkName(kWhat, options.namespace_, options.name, true); !named) return named;
  if (auto env = checkEnvironment(kWhat, options.envs); !env) return env;
  for (const std::string* text : {&options.templateId, &options.runtime, &options.directory, &options.image,
                                  &options.snapshotId, &options.provider}) {
    if (text->find('\0') != std::string::npos) return bad("a text holds a NUL byte", "take the NUL out");
  }
  return {};
}

bool discard(Setup& setup, registry::Provider& provider, const registry::SandboxRecord& record) noexcept {
  try {
    RequestId request;
    nextRequestId(request);
    registry::CallContext context;
    context.deadline = deadlineIn(std::chrono::seconds(30));
    context.requestId = request;
    auto ended = provider.destroy({record.info.id, record.token}, context);
    if (ended || ended.error().code == ErrorCode::notFound || ended.error().code == ErrorCode::sandboxGone) return true;
    setup.log(LogLevel::error, provider.name(),
              "cannot destroy sandbox " + record.info.id + ": " + ended.error().firstLine() +
                  "; sandbox().reap() tries again");
    RememberedSandbox orphan = rememberedFrom(provider.name(), record, {});
    orphan.state = RememberedSandbox::State::orphan;
    saveOrWarn(setup, orphan);
  } catch (...) {  // no memory: the provider's own time limit ends the sandbox
  }
  return false;
}

Result<Made> createOn(Setup& setup, const std::shared_ptr<registry::Provider>& provider, const CreateOptions& options,
                      const StringMap& extra) {
  // A provider that needs no credentials finds its sandboxes itself, and a one-shot is nobody else's business.
  const bool remembers = !options.dieWithHost && !setup.alwaysReady(provider->name());
  Begun begun;
  RequestId requestId;
  nextRequestId(requestId);
  registry::CallContext context;
  context.stop = options.stop;
  context.deadline = deadlineIn(options.createTimeout.value_or(kBootTime));
  context.requestId = requestId;
  context.onProgress = options.onProgress;
  context.onSandboxBegun = [&](const registry::SandboxRecord& record) {
    const bool first = !begun.get();
    begun.set(record);
    if (!remembers || !first) return;
    RememberedSandbox sandbox = rememberedFrom(provider->name(), record, {});
    sandbox.state = RememberedSandbox::State::begun;
    sandbox.maker = thisProcess();
    saveOrWarn(setup, sandbox);
  };
  auto record = provider->create(requestFrom(options, extra), context);
  if (!record) {
    ErrorInfo error = std::move(record).error();
    if (error.provider.empty()) error.provider = provider->name();
    if (error.requestId.empty()) error.requestId = requestId;
    cleanUpAfter(setup, *provider, begun, remembers, error);
    return error;
  }
  if (options.stop.stop_requested()) {
    ErrorInfo error = cancelled("cannot create a sandbox on " + provider->name());
    error.provider = provider->name();
    error.sandboxId = record->info.id;
    error.maybeApplied = true;
    error.orphanGone = discard(setup, *provider, *record);
    if (error.orphanGone && remembers) setup.memory().forget(provider->name(), record->info.id);
    return error;
  }
  return Made{provider, std::move(*record), remembers};
}

ErrorInfo combineErrors(std::string what, std::vector<ErrorInfo> errors) {
  if (errors.size() == 1) return std::move(errors.front());
  ErrorInfo all;
  all.what = std::move(what);
  all.code = errors.back().code;
  for (ErrorInfo& error : errors) {
    if (error.code != all.code) all.code = ErrorCode::unavailable;
    all.retryable = all.retryable || error.retryable;
    all.maybeApplied = all.maybeApplied || (error.maybeApplied && !error.orphanGone);
    all.why += "\n  " + error.provider + ": " + error.firstLine() + " [" + std::string(codeName(error.code)) + "]";
    if (!error.fix.empty() && all.fix.empty()) all.fix = error.fix;
  }
  all.why.insert(0, std::to_string(errors.size()) + " providers tried, none worked");
  return all;
}

std::shared_ptr<SandboxState> adoptMade(const std::shared_ptr<Setup>& setup, Made made, Naming naming,
                                        const CreateOptions& options) {
  if (made.remembered) saveOrWarn(*setup, rememberedFrom(made.provider->name(), made.record, naming));
  auto state =
      std::make_shared<SandboxState>(setup, std::move(made.provider), std::move(made.record), std::move(naming));
  state->setDefaultLanguage(options.runtime);
  state->remember(made.remembered);
  return state;
}

namespace {

/// Makes it on one provider and, if it has a name, binds that.
Result<Sandbox> createNamedOn(const std::shared_ptr<Setup>& setup, const std::string& providerName,
                              const CreateOptions& options) {
  auto provider = setup->provider(providerName);
  if (!provider) return std::move(provider).error();
  Naming naming{options.name, options.namespace_.empty() ? "default" : options.namespace_, {}, false};
  StringMap extra;
  Naming bound;
  std::shared_ptr<NamedStore> store;
  if (options.name.empty()) {
    naming.namespace_.clear();
  } else {
    extra = {{"name", naming.name}, {"namespace", naming.namespace_}};
  }
  const NameKeys keys(workspaceOf(setup->config()), naming.namespace_, naming.name);
  // A gateway binds the name itself. Other providers that keep names know only those that findOrCreate gave.
  if (!options.name.empty() && setup->config().namedSandboxes && providerName != kGatewayProvider) {
    auto opened = setup->store();
    if (!opened) return std::move(opened).error();
    store = *opened;
    auto parent = parentOf(*store, keys);
    if (!parent) return std::move(parent).error();
    naming.inStore = true;
    bound = naming;
    bound.parentId = *parent;
    // A provider that keeps names has its own way to say which belong together.
    if (!(*provider)->features().named) naming.parentId = extra["parent_sandbox_id"] = *parent;
  }
  auto made = createOn(*setup, *provider, options, extra);
  if (!made) return std::move(made).error();
  if (store) {
    if (auto done = bindName(*store, keys, bound, providerName, made->record, {}); !done) {
      discard(*setup, **provider, made->record);
      return std::move(done).error();
    }
  }
  const bool owned = !options.keep && options.name.empty();
  return SandboxState::handle(adoptMade(setup, std::move(*made), std::move(naming), options), owned);
}

}  // namespace

Result<Sandbox> createSandbox(const std::shared_ptr<Setup>& setup, const CreateOptions& options) {
  if (auto checked = checkCreateOptions(options); !checked) return std::move(checked).error();
  if (options.stop.stop_requested()) return cancelled("cannot create a sandbox");
  auto order = setup->createOrder(options.provider);
  if (!order) return std::move(order).error();
  std::vector<ErrorInfo> errors;
  for (const std::string& name : *order) {
    auto sandbox = createNamedOn(setup, name, options);
    if (sandbox) return sandbox;
    ErrorInfo error = std::move(sandbox).error();
    if (error.provider.empty()) error.provider = name;
    const bool goOn = mayTryElsewhere(error);
    if (goOn && order->size() > 1) setup->log(LogLevel::warning, name, error.firstLine());
    errors.push_back(std::move(error));
    if (!goOn) break;
  }
  return combineErrors("cannot create a sandbox", std::move(errors));
}

}  // namespace computesdk::detail
