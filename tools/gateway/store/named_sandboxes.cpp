#include "store/named_sandboxes.hpp"

#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>

namespace computesdk::gateway {
namespace {

using SteadyClock = std::chrono::steady_clock;

/// How long destroying one takes at most before the reaper has a look.
constexpr std::chrono::milliseconds kDestroyLease{60'000};

ErrorInfo limitReached(const SandboxRecord& draft, std::int64_t limit) {
  ErrorInfo error;
  error.code = ErrorCode::quota;
  error.what = "cannot create a sandbox";
  error.why = "workspace " + draft.workspace + " has " + std::to_string(limit) + " sandboxes, as many as it may";
  error.fix = "destroy one, or wait until one expires";
  error.provider = draft.provider;
  return error;
}

ErrorInfo leaseLost(const SandboxRecord& draft) {
  ErrorInfo error;
  error.code = ErrorCode::conflict;
  error.what = "cannot create a sandbox";
  error.why = "making it took so long without a word to the store that another took its place";
  error.fix = "ask again";
  error.provider = draft.provider;
  error.retryable = true;
  error.maybeApplied = true;
  error.orphanGone = true;
  return error;
}

}  // namespace

/// Renews the leases of the sandboxes that are being made, on one thread.
class NamedSandboxes::Keeper {
 public:
  explicit Keeper(std::shared_ptr<Store> store)
      : store_(std::move(store)), thread_([this](const std::stop_token& stop) { run(stop); }) {}
  Keeper(const Keeper&) = delete;
  Keeper& operator=(const Keeper&) = delete;
  ~Keeper() {
    thread_.request_stop();
    thread_.join();
  }

  /// As long as it lives, the draft's lease is renewed.
  class Hold {
   public:
    Hold(Keeper& keeper, const SandboxRecord& draft, std::chrono::milliseconds lease)
        : keeper_(keeper), number_(keeper.add(draft, lease)) {}
    Hold(const Hold&) = delete;
    Hold& operator=(const Hold&) = delete;
    ~Hold() { keeper_.drop(number_); }

   private:
    Keeper& keeper_;
    const std::uint64_t number_;
  };

 private:
  struct Held {
    SandboxRecord draft;
    std::chrono::milliseconds lease;
    SteadyClock::time_point next;
  };

  std::uint64_t add(const SandboxRecord& draft, std::chrono::milliseconds lease) {
    std::lock_guard lock(mutex_);
    held_.emplace(++last_, Held{draft, lease, SteadyClock::now() + lease / 3});
    wake_.notify_all();
    return last_;
  }

  void drop(std::uint64_t number) {
    std::lock_guard lock(mutex_);
    held_.erase(number);
  }

  /// One that is due, its next time set already.
  std::optional<Held> due(SteadyClock::time_point& next) {
    const auto now = SteadyClock::now();
    next = now + std::chrono::hours(1);
    for (auto& [number, held] : held_) {
      if (held.next <= now) {
        held.next = now + held.lease / 3;
        return held;
      }
      next = std::min(next, held.next);
    }
    return std::nullopt;
  }

  void run(const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    while (!stop.stop_requested()) {
      SteadyClock::time_point next;
      if (auto held = due(next)) {
        lock.unlock();
        // One that fails is tried again; should the lease lapse, finish() says so.
        (void)store_->renew(held->draft, held->lease);
        lock.lock();
        continue;
      }
      const std::uint64_t seen = last_;
      wake_.wait_until(lock, stop, next, [&] { return last_ != seen; });
    }
  }

  const std::shared_ptr<Store> store_;
  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::map<std::uint64_t, Held> held_;
  std::uint64_t last_ = 0;
  std::jthread thread_;
};

NamedSandboxes::NamedSandboxes(std::shared_ptr<Store> store, ProviderCalls calls)
    : store_(std::move(store)), calls_(std::move(calls)), keeper_(std::make_unique<Keeper>(store_)) {}

NamedSandboxes::~NamedSandboxes() = default;

Result<std::optional<SandboxRecord>> NamedSandboxes::find(const NameKey& key) {
  auto found = store_->find(key);
  if (!found || !*found) return found;
  auto gone = forgetIfGone(**found);
  if (!gone) return std::move(gone).error();
  if (*gone) return std::optional<SandboxRecord>();
  return found;
}

/// Whether it was gone: then its name is free.
Result<bool> NamedSandboxes::forgetIfGone(const SandboxRecord& record) {
  auto alive = calls_.alive(record);
  if (!alive) return std::move(alive).error();
  if (*alive) return false;
  // What may be left of it goes too. Should that fail, it is in state removing by now, and the reaper's.
  auto destroyed = destroy(record.id);
  if (!destroyed && destroyed.error().code == ErrorCode::store) return std::move(destroyed).error();
  return true;
}

Result<SandboxRecord> NamedSandboxes::findOrCreate(const SandboxRecord& draft, const Make& make, BeginOptions options,
                                                   SteadyClock::time_point until) {
  options.mode = NameMode::claim;
  for (;;) {
    auto begun = store_->begin(draft, options);
    if (!begun) return std::move(begun).error();
    switch (begun->kind) {
      case Begun::Kind::full: return limitReached(draft, options.workspaceLimit);
      case Begun::Kind::exists: {
        auto gone = forgetIfGone(begun->record);
        if (!gone) return std::move(gone).error();
        if (!*gone) return std::move(begun->record);
        break;
      }
      case Begun::Kind::held: {
        auto waited = store_->waitForName({draft.workspace, begun->record.nameSpace, draft.name}, until);
        if (!waited) return std::move(waited).error();
        if (SteadyClock::now() >= until) return std::move(begun->record);
        break;
      }
      case Begun::Kind::begun: {
        auto made = makeOne(begun->record, make, options);
        if (!made) return std::move(made).error();
        if (*made) return std::move(**made);
        if (SteadyClock::now() >= until) return leaseLost(draft);
        break;
      }
    }
  }
}

Result<SandboxRecord> NamedSandboxes::create(const SandboxRecord& draft, const Make& make, BeginOptions options) {
  options.mode = NameMode::replace;
  auto begun = store_->begin(draft, options);
  if (!begun) return std::move(begun).error();
  if (begun->kind == Begun::Kind::full) return limitReached(draft, options.workspaceLimit);
  auto made = makeOne(begun->record, make, options);
  if (!made) return std::move(made).error();
  if (!*made) return leaseLost(draft);
  return std::move(**made);
}

Result<std::optional<SandboxRecord>> NamedSandboxes::makeOne(const SandboxRecord& draft, const Make& make,
                                                             const BeginOptions& options) {
  SandboxRecord made;
  {
    const Keeper::Hold hold(*keeper_, draft, options.lease);
    auto outcome = make(draft);
    if (!outcome) {
      const ErrorInfo& error = outcome.error();
      // The record stays when something may be at the provider: its lease lapses, and the reaper looks.
      if (!error.maybeApplied || error.orphanGone) (void)store_->abandon(draft);
      return std::move(outcome).error();
    }
    made = std::move(*outcome);
    made.id = draft.id;
    made.lease = draft.lease;
    auto finished = store_->finish(made);
    // Whether it was written is not known: if it was, the sandbox is found; if not, the reaper destroys it.
    if (!finished) return std::move(finished).error();
    if (*finished) {
      made.state = SandboxState::running;
      made.lease.clear();
      return std::optional<SandboxRecord>(std::move(made));
    }
  }
  auto left = store_->leaveToReaper(made, kDestroyLease);
  auto destroyed = calls_.destroy(made);
  if (!left) return std::move(left).error();
  if (!destroyed) {
    (void)store_->removeFailed(*left);  // else its lease runs out
    return std::move(destroyed).error();
  }
  if (auto removed = store_->remove(left->id, left->lease); !removed) return std::move(removed).error();
  return std::optional<SandboxRecord>();
}

Result<bool> NamedSandboxes::destroy(const std::string& id) {
  auto record = store_->startRemove(id, kDestroyLease);
  if (!record) return std::move(record).error();
  if (!*record) return false;
  if (auto destroyed = calls_.destroy(**record); !destroyed) {
    (void)store_->removeFailed(**record);  // else its lease runs out
    return std::move(destroyed).error();
  }
  if (auto removed = store_->remove(id, (*record)->lease); !removed) return std::move(removed).error();
  return true;
}

}  // namespace computesdk::gateway
