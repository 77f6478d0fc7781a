#include "core/sandbox_state.hpp"

#include "core/errors.hpp"
#include "daemon/link.hpp"
#include "named/naming.hpp"

#include <sys/random.h>

#include <thread>

namespace computesdk::detail {
namespace {

std::uint32_t processNumber() noexcept {
  static const std::uint32_t number = [] {
    std::uint32_t value = 0;
    if (::getrandom(&value, sizeof value, GRND_NONBLOCK) != sizeof value)
      value = static_cast<std::uint32_t>(::getpid());
    return value;
  }();
  return number;
}

void writeHex(char* out, std::uint32_t value) noexcept {
  for (int i = 7; i >= 0; --i, value >>= 4) out[i] = "0123456789abcdef"[value & 15];
}

/// Outcome of a destroy that somebody stopped waiting for.
struct Outcome {
  std::mutex mutex;
  std::condition_variable done;
  std::optional<Result<void>> result;
};

}  // namespace

Deadline deadlineIn(std::chrono::milliseconds time) noexcept { return std::chrono::steady_clock::now() + time; }

void nextRequestId(RequestId& out) noexcept {
  static std::atomic<std::uint32_t> counter{0};
  writeHex(out, processNumber());
  writeHex(out + 8, counter.fetch_add(1, std::memory_order_relaxed));
  out[16] = '\0';
}

RememberedSandbox rememberedFrom(const std::string& provider, const registry::SandboxRecord& record,
                                 const Naming& naming) {
  RememberedSandbox sandbox;
  sandbox.provider = provider;
  sandbox.id = record.info.id;
  sandbox.token = record.token;
  sandbox.expiresAt = record.info.expiresAt;
  if (naming.inStore) {
    sandbox.name = naming.name;
    sandbox.namespace_ = naming.namespace_;
    sandbox.parentId = naming.parentId;
  }
  return sandbox;
}

SandboxState::SandboxState(std::shared_ptr<Setup> setup, std::shared_ptr<registry::Provider> provider,
                           registry::SandboxRecord record, Naming naming)
    : setup_(std::move(setup)),
      provider_(std::move(provider)),
      id_(record.info.id),
      naming_(std::move(naming)),
      target_(std::make_shared<registry::Target>(registry::Target{record.info.id, std::move(record.token)})),
      info_(std::move(record.info)) {
  completeInfo();
}

void SandboxState::completeInfo() {
  info_.id = id_;
  if (info_.provider.empty()) info_.provider = provider_->name();
  if (naming_.name.empty()) return;
  info_.name = naming_.name;
  info_.namespace_ = naming_.namespace_;
  // Not every provider keeps metadata; of a named one they are known here.
  if (naming_.parentId.empty()) return;
  info_.metadata.insert(
      {{"name", naming_.name}, {"namespace", naming_.namespace_}, {"parent_sandbox_id", naming_.parentId}});
}

SandboxState::~SandboxState() {
  leaveDaemon();
  if (destroyed()) return;
  try {
    RequestId request;
    nextRequestId(request);
    registry::CallContext context;
    context.deadline = deadlineIn(std::chrono::seconds(1));
    context.requestId = request;
    (void)provider_->release(*target_, context);
  } catch (...) {  // a hint; nothing depends on it
  }
}

SandboxInfo SandboxState::info() const {
  std::lock_guard lock(mutex_);
  return info_;
}

std::string SandboxState::token() const { return target()->token; }

std::shared_ptr<const registry::Target> SandboxState::target() const {
  std::lock_guard lock(mutex_);
  return target_;
}

void SandboxState::takeToken(std::string_view token, std::uint64_t callNumber) {
  if (token.empty()) return;
  std::lock_guard lock(mutex_);
  // Of two calls at once the one that started later knows better.
  if (callNumber < tokenNumber_) return;
  tokenNumber_ = callNumber;
  if (target_->token == token) return;
  target_ = std::make_shared<registry::Target>(registry::Target{id_, std::string(token)});
  if (remembered_.load(std::memory_order_relaxed)) tokenChanged_.store(true, std::memory_order_release);
}

void SandboxState::update(const registry::SandboxRecord& record, std::uint64_t callNumber) {
  takeToken(record.token, callNumber);
  std::lock_guard lock(mutex_);
  if (callNumber < infoNumber_) return;
  infoNumber_ = callNumber;
  info_ = record.info;
  completeInfo();
}

void SandboxState::saveToken() noexcept {
  try {
    tokenChanged_.store(false, std::memory_order_release);
    registry::SandboxRecord record{info(), token()};
    if (auto saved = setup_->memory().save(rememberedFrom(provider_->name(), record, naming_)); !saved) {
      setup_->log(LogLevel::warning, provider_->name(), saved.error().firstLine());
    }
  } catch (...) {  // the token stays valid in this process; another one asks the provider for it
  }
}

void SandboxState::complete(ErrorInfo& error, std::string_view request) const {
  if (error.provider.empty()) error.provider = provider_->name();
  if (error.sandboxId.empty()) error.sandboxId = id_;
  if (error.requestId.empty()) error.requestId = request;
}

Result<void> SandboxState::wake(std::uint64_t seen, const std::stop_token& stop) {
  {
    std::unique_lock lock(mutex_);
    if (!attachDone_.wait(lock, stop, [&] { return !attaching_; })) return cancelled("cannot start the sandbox again");
    // Somebody else has started it since the caller's operation began.
    if (attachCount_.load(std::memory_order_relaxed) != seen) return {};
    attaching_ = true;
  }
  auto attached = attach(stop);
  {
    std::lock_guard lock(mutex_);
    attaching_ = false;
  }
  attachDone_.notify_all();
  return attached;
}

Result<void> SandboxState::attach(const std::stop_token& stop) {
  if (auto attached = changeLife(&registry::Provider::attach, stop); !attached) return attached;
  attachCount_.fetch_add(1, std::memory_order_acq_rel);
  return {};
}

Result<void> SandboxState::changeLife(LifeCall operation, const std::stop_token& stop) {
  auto changed = call(
      stop, deadlineIn(kBootTime),
      [&](const registry::Target& target, const registry::CallContext& context) {
        return ((*provider_).*operation)(target, context);
      },
      false);
  if (!changed) return std::move(changed).error();
  return {};
}

Result<SandboxInfo> SandboxState::refresh(const std::stop_token& stop) {
  if (!features().inspect) return info();
  auto record = call(
      stop, deadlineIn(kControlTime),
      [&](const registry::Target& target, const registry::CallContext& context) {
        return provider_->inspect(target, context);
      },
      false);
  if (!record) return std::move(record).error();
  return info();
}

Result<SandboxInfo> SandboxState::extend(std::chrono::milliseconds duration, const std::stop_token& stop) {
  if (duration.count() <= 0) {
    return invalidArgument("cannot extend the sandbox's life", "the duration is not positive", "give at least 1 ms");
  }
  if (!features().extend) return extendUnsupported(provider_->name());
  auto record =
      call(stop, deadlineIn(kControlTime), [&](const registry::Target& target, const registry::CallContext& context) {
        return provider_->extend(target, duration, context);
      });
  if (!record) return std::move(record).error();
  return info();
}

Result<ExitStatus> SandboxState::exec(const registry::ExecRequest& request, const registry::OutputFunction& output,
                                      const std::stop_token& stop, Deadline deadline) {
  return call(stop, deadline, [&](const registry::Target& target, const registry::CallContext& context) {
    return provider_->exec(target, request, output, context);
  });
}

Result<SandboxState::ToolResult> SandboxState::tool(std::span<const std::string> argv, const std::stop_token& stop) {
  ToolResult result;
  registry::ExecRequest request;
  request.argv = argv;
  auto ended = exec(
      request,
      [&result](OutputStream stream, std::span<const std::byte> bytes) {
        auto& text = stream == OutputStream::standardError ? result.err : result.out;
        text.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
      },
      stop, deadlineIn(kControlTime));
  if (!ended) return std::move(ended).error();
  result.exitCode = ended->exitCode();
  return result;
}

DaemonLink& SandboxState::daemon() {
  std::lock_guard lock(mutex_);
  if (!daemon_) daemon_ = std::make_shared<DaemonLink>(*this);
  return *daemon_;
}

/// Ends the connection, so that nobody tries to make it again.
void SandboxState::leaveDaemon() noexcept {
  std::shared_ptr<DaemonLink> link;
  {
    std::lock_guard lock(mutex_);
    link = daemon_;
  }
  if (link) link->socket().close();
}

std::string SandboxState::nextCommandId() {
  return "cmd_" + std::to_string(commandNumber_.fetch_add(1, std::memory_order_relaxed) + 1);
}

Result<void> SandboxState::destroy(const std::stop_token& stop, std::chrono::milliseconds patience) {
  if (destroyed()) return {};
  auto ended = call(
      stop, deadlineIn(patience),
      [&](const registry::Target& target, const registry::CallContext& context) {
        return provider_->destroy(target, context);
      },
      false);
  if (!ended && ended.error().code != ErrorCode::notFound && ended.error().code != ErrorCode::sandboxGone) {
    return ended;
  }
  if (!destroyed_.exchange(true, std::memory_order_acq_rel)) {
    leaveDaemon();
    forgetEverywhere();
  }
  return {};
}

void SandboxState::forgetEverywhere() noexcept {
  try {
    if (remembered_.load(std::memory_order_acquire)) setup_->memory().forget(provider_->name(), id_);
    if (naming_.inStore) forgetName(*setup_, naming_, id_);
  } catch (...) {  // what stays is found stale by its next user
  }
}

void SandboxState::destroyWithin(std::chrono::milliseconds patience) noexcept {
  try {
    auto outcome = std::make_shared<Outcome>();
    // A provider that hangs must not hang the program's end, so somebody else waits for it.
    std::thread([self = shared_from_this(), outcome, patience] {
      auto ended = self->destroy({}, patience);
      std::lock_guard lock(outcome->mutex);
      outcome->result.emplace(std::move(ended));
      outcome->done.notify_all();
    }).detach();
    ErrorInfo error;
    {
      std::unique_lock lock(outcome->mutex);
      outcome->done.wait_for(lock, patience, [&] { return outcome->result.has_value(); });
      if (outcome->result && outcome->result->has_value()) return;
      error = outcome->result ? outcome->result->error() : ErrorInfo{};
      if (!outcome->result) error.why = "the provider did not answer in time";
    }
    setup_->log(LogLevel::error, provider_->name(),
                "cannot destroy sandbox " + id_ + ": " + error.firstLine() + "; sandbox().reap() tries again");
    RememberedSandbox orphan = rememberedFrom(provider_->name(), {info(), token()}, naming_);
    orphan.state = RememberedSandbox::State::orphan;
    (void)setup_->memory().save(orphan);
  } catch (...) {  // no thread or no memory left: the provider's own time limit ends the sandbox
  }
}

}  // namespace computesdk::detail
