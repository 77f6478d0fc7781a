#include "named/named_sandboxes.hpp"

#include "core/create.hpp"
#include "core/errors.hpp"
#include "core/lookup.hpp"
#include "core/validate.hpp"
#include "named/claim.hpp"
#include "named/named_store.hpp"
#include "named/naming.hpp"

#include <algorithm>

namespace computesdk::detail {
namespace {

using StatePtr = std::shared_ptr<SandboxState>;

std::string nameSpaceOf(const std::string& given) { return given.empty() ? "default" : given; }

/// One findOrCreate or find while it runs.
class NameSearch {
 public:
  NameSearch(std::shared_ptr<Setup> setup, std::shared_ptr<NamedStore> store, std::string nameSpace, std::string name,
             std::string provider, std::stop_token stop)
      : setup_(std::move(setup)),
        store_(std::move(store)),
        naming_{std::move(name), std::move(nameSpace), {}, true},
        keys_(workspaceOf(setup_->config()), naming_.namespace_, naming_.name),
        wantedProvider_(std::move(provider)),
        stop_(std::move(stop)) {}

  /// The living sandbox of the name, or null; a stale mapping is removed.
  Result<StatePtr> find() {
    for (;;) {
      auto entry = readName(*store_, keys_);
      if (!entry) return std::move(entry).error();
      if (!*entry) return StatePtr();
      auto state = check(**entry);
      if (!state || *state) return state;
      auto removed = removeName(*store_, keys_, (*entry)->id);
      if (!removed) return std::move(removed).error();
      setup_->memory().forget((*entry)->provider, (*entry)->id);
      if (*removed) return StatePtr();
      // Somebody bound the name anew in between: look again.
    }
  }

  Result<StatePtr> findOrCreate(const CreateOptions& options) {
    const auto end = std::chrono::steady_clock::now() + options.createTimeout.value_or(kBootTime);
    auto pause = setup_->seams().claims.pollMin;
    for (;;) {
      auto found = find();
      if (!found || *found) return found;
      auto claim = Claim::take(store_, keys_.name, setup_->seams().claims);
      if (!claim) return std::move(claim).error();
      if (*claim) {
        // The former holder may have finished between the look and the claim.
        found = find();
        if (!found || *found) return found;
        auto made = make(options, (*claim)->owner());
        if (!made || *made) return made;
        continue;
      }
      if (std::chrono::steady_clock::now() >= end) return timedOut();
      if (!wait(pause)) return cancelled("cannot get sandbox " + label());
      pause = std::min(pause * 2, setup_->seams().claims.pollMax);
    }
  }

 private:
  [[nodiscard]] std::string label() const { return naming_.namespace_ + "/" + naming_.name; }

  ErrorInfo timedOut() const {
    ErrorInfo error;
    error.code = ErrorCode::timeout;
    error.what = "cannot get sandbox " + label();
    error.why = "another program is still making it";
    error.fix = "try again, or give a longer createTimeout";
    error.retryable = true;
    return error;
  }

  /// Whether the sandbox of the entry lives: its state, or null when it does not.
  Result<StatePtr> check(const NamedEntry& entry) {
    if (entry.provider.empty()) return StatePtr();
    if (!wantedProvider_.empty() && wantedProvider_ != entry.provider) {
      ErrorInfo error;
      error.code = ErrorCode::conflict;
      error.provider = entry.provider;
      error.sandboxId = entry.id;
      error.what = "cannot get sandbox " + label() + " on " + wantedProvider_;
      error.why = "the name belongs to a sandbox on " + entry.provider;
      error.fix = "use another name, or destroy that one: computesdk rm " + label();
      return error;
    }
    auto provider = setup_->provider(entry.provider);
    if (!provider) return std::move(provider).error();
    auto record = inspectIfThere(**provider, {entry.id, entry.token}, stop_);
    if (!record) return std::move(record).error();
    if (!*record) return StatePtr();
    Naming naming = naming_;
    naming.parentId = entry.parentId;
    return std::make_shared<SandboxState>(setup_, *provider, std::move(**record), std::move(naming));
  }

  /// Makes the sandbox under a claim. Null when the claim lapsed meanwhile; then nothing of it is left.
  Result<StatePtr> make(const CreateOptions& options, const std::string& owner) {
    auto order = setup_->createOrder(options.provider);
    if (!order) return std::move(order).error();
    auto parent = parentOf(*store_, keys_);
    if (!parent) return std::move(parent).error();
    Naming naming = naming_;
    naming.parentId = *parent;
    const StringMap extra = {
        {"name", naming.name}, {"namespace", naming.namespace_}, {"parent_sandbox_id", naming.parentId}};
    std::vector<ErrorInfo> errors;
    for (const std::string& name : *order) {
      auto provider = setup_->provider(name);
      auto made = provider ? createOn(*setup_, *provider, options, extra) : Result<Made>(provider.error());
      if (made) {
        auto bound = bindName(*store_, keys_, naming, name, made->record, owner);
        if (bound && *bound) return adoptMade(setup_, std::move(*made), std::move(naming), options);
        discard(*setup_, **provider, made->record);
        if (made->remembered) setup_->memory().forget(name, made->record.info.id);
        if (!bound) return std::move(bound).error();
        return StatePtr();
      }
      errors.push_back(std::move(made).error());
      if (errors.back().provider.empty()) errors.back().provider = name;
      if (!mayTryElsewhere(errors.back())) break;
    }
    return combineErrors("cannot create sandbox " + label(), std::move(errors));
  }

  /// False when the caller asked to stop.
  bool wait(std::chrono::milliseconds time) {
    std::mutex mutex;
    std::condition_variable_any never;
    std::unique_lock lock(mutex);
    never.wait_for(lock, stop_, time, [] { return false; });
    return !stop_.stop_requested();
  }

  const std::shared_ptr<Setup> setup_;
  const std::shared_ptr<NamedStore> store_;
  const Naming naming_;
  const NameKeys keys_;
  const std::string wantedProvider_;
  const std::stop_token stop_;
};

}  // namespace

Result<std::optional<Sandbox>> findNamed(const std::shared_ptr<Setup>& setup, const FindOptions& options) {
  if (auto checked = checkName("cannot find a sandbox", options.namespace_, options.name, false); !checked) {
    return std::move(checked).error();
  }
  using Found = std::optional<Sandbox>;
  const std::string nameSpace = nameSpaceOf(options.namespace_);
  const bool inStore = setup->config().namedSandboxes && setup->storeExists();
  if (inStore) {
    auto store = setup->store();
    if (!store) return std::move(store).error();
    NameSearch search(setup, *store, nameSpace, options.name, options.provider, options.stop);
    auto state = search.find();
    if (!state) {
      // A name that lives elsewhere is no sandbox of the wanted provider's.
      if (state.error().code != ErrorCode::conflict) return std::move(state).error();
    } else if (*state) {
      return Found(SandboxState::handle(*state, false));
    }
  }
  auto provider = setup->preferredProvider(options.provider);
  if (!provider) {
    // Without a provider there is no sandbox either, unless the configuration itself is wrong.
    if (provider.error().code == ErrorCode::notConfigured && setup->config().namedSandboxes) return Found();
    return std::move(provider).error();
  }
  if ((*provider)->features().named) {
    RequestId requestId;
    nextRequestId(requestId);
    registry::CallContext context;
    context.stop = options.stop;
    context.deadline = deadlineIn(kControlTime);
    context.requestId = requestId;
    auto record = (*provider)->namedFind(nameSpace, options.name, context);
    if (!record) return std::move(record).error();
    if (!*record) return Found();
    auto state = std::make_shared<SandboxState>(setup, *provider, std::move(**record),
                                                Naming{options.name, nameSpace, {}, false});
    return Found(SandboxState::handle(std::move(state), false));
  }
  if (!setup->config().namedSandboxes) return namedUnsupported((*provider)->name(), "find");
  return Found();
}

Result<Sandbox> findOrCreateNamed(const std::shared_ptr<Setup>& setup, const CreateOptions& options) {
  if (auto checked = checkName("cannot find or create a sandbox", options.namespace_, options.name, false); !checked) {
    return std::move(checked).error();
  }
  if (auto checked = checkCreateOptions(options); !checked) return std::move(checked).error();
  if (options.stop.stop_requested()) return cancelled("cannot find or create a sandbox");
  const std::string nameSpace = nameSpaceOf(options.namespace_);
  auto provider = setup->preferredProvider(options.provider);
  // One that cannot be opened matters only if the sandbox has to be made: the name may live elsewhere.
  if (!provider && !setup->config().namedSandboxes) return std::move(provider).error();
  if (provider && (*provider)->features().named) {
    // The vendor keeps this name, unless a create gave it: such a one is in the store.
    if (setup->config().namedSandboxes && setup->storeExists()) {
      auto store = setup->store();
      if (!store) return std::move(store).error();
      auto known = NameSearch(setup, *store, nameSpace, options.name, options.provider, options.stop).find();
      if (!known) return std::move(known).error();
      if (*known) return SandboxState::handle(*known, false);
    }
    RequestId requestId;
    nextRequestId(requestId);
    registry::CallContext context;
    context.stop = options.stop;
    context.deadline = deadlineIn(options.createTimeout.value_or(kBootTime));
    context.requestId = requestId;
    context.onProgress = options.onProgress;
    auto record = (*provider)->namedFindOrCreate(nameSpace, options.name, requestFrom(options, {}), context);
    if (!record) return std::move(record).error();
    auto state = std::make_shared<SandboxState>(setup, *provider, std::move(*record),
                                                Naming{options.name, nameSpace, {}, false});
    state->setDefaultLanguage(options.runtime);
    return SandboxState::handle(std::move(state), false);
  }
  if (!setup->config().namedSandboxes) return namedUnsupported((*provider)->name(), "findOrCreate");
  auto store = setup->store();
  if (!store) return std::move(store).error();
  NameSearch search(setup, *store, nameSpace, options.name, options.provider, options.stop);
  auto state = search.findOrCreate(options);
  if (!state) return std::move(state).error();
  return SandboxState::handle(*state, false);
}

}  // namespace computesdk::detail
