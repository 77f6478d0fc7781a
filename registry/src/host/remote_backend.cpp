#include "remote_backend.hpp"

#include "net/net_carrier.hpp"
#include "net/remote_http.hpp"
#include "values/text.hpp"

#include <fcntl.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

// The callers' side of a plug-in's process; remote_loop.cpp is the side that reads.
namespace computesdk::registry {
namespace host {
namespace {

constexpr std::size_t kCreditStep = std::size_t{256} << 10;
constexpr std::size_t kLongestFields = 2 * std::size_t{CSDK_INLINE_INPUT_MAX};

const csdk_source* sourceOf(const StructInfo& info, const void* args) {
  for (const Field& field : info.fields) {
    if (field.kind == FieldKind::source) return *fieldOf<const csdk_source*>(args, field);
  }
  return nullptr;
}

csdk_status failWith(CallSlot& slot, csdk_status status, std::string_view message, std::uint32_t flags = 0) {
  csdk_error error{};
  error.struct_size = sizeof error;
  error.flags = flags;
  error.message = toStr(message);
  slot.fail(error);
  return status;
}

/// One call as frames.
struct EncodedCall {
  std::vector<std::string> frames;
  bool tooLong = false;
};

EncodedCall encodeCall(Op op, csdk_call call, const void* args, std::int64_t deadlineNs) {
  EncodedCall encoded;
  std::vector<LongField> longFields;
  std::string body;
  if (deadlineNs != 0) encodeNumber(kDeadlineTag, deadlineNs, body);
  encodeStruct(*opInfo(op).args, args, body, &longFields);
  std::size_t longBytes = 0;
  for (const LongField& field : longFields) longBytes += field.bytes.size();
  encoded.tooLong = body.size() > kMaxBody || longBytes > kLongestFields;
  if (encoded.tooLong) return encoded;
  for (const LongField& field : longFields) {
    for (std::size_t at = 0; at < field.bytes.size(); at += kDataChunk) {
      encoded.frames.push_back(encodeFrame(FrameType::argument, field.tag, call, field.bytes.substr(at, kDataChunk)));
    }
  }
  encoded.frames.push_back(encodeFrame(FrameType::call, static_cast<std::uint16_t>(op), call, body));
  return encoded;
}

}  // namespace

RemoteBackend::RemoteBackend(std::unique_ptr<RemoteSettings> settings, HostContext& host)
    : settings_(std::move(settings)), host_(host), wakeFd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  thread_ = std::thread([this] { loop(); });
  ::pthread_setname_np(thread_.native_handle(), ("io-" + host.provider()).substr(0, 15).c_str());
}

RemoteBackend::RemoteCall::~RemoteCall() {
  if (http) http->end();
}

RemoteBackend::~RemoteBackend() { close(); }

void RemoteBackend::close() {
  {
    std::lock_guard lock(mutex_);
    closing_ = true;
  }
  wake();
  if (thread_.joinable()) thread_.join();
}

void RemoteBackend::wake() noexcept {
  const std::uint64_t one = 1;
  while (::write(wakeFd_.get(), &one, sizeof one) < 0 && errno == EINTR) {
  }
}

Result<RemoteHello> RemoteBackend::open() {
  std::unique_lock lock(mutex_);
  wantStart_ = true;
  wake();
  changed_.wait(lock, [this] { return state_ != State::down || lastError_; });
  if (state_ == State::ready) return hello_;
  return std::move(*lastError_);
}

void RemoteBackend::wakeWaiters(void* backend) {
  auto& self = *static_cast<RemoteBackend*>(backend);
  std::lock_guard lock(self.mutex_);
  self.changed_.notify_all();
}

csdk_status RemoteBackend::awaitReady(std::unique_lock<std::mutex>& lock, CallSlot& slot) {
  if (state_ == State::ready) return CSDK_OK;
  const std::uint64_t failedBefore = failedStarts_;
  lock.unlock();
  slot.onCancel(&wakeWaiters, this);
  lock.lock();
  wantStart_ = true;
  wake();
  changed_.wait(lock, [&] { return state_ != State::down || failedStarts_ != failedBefore || slot.cancelled(); });
  if (state_ == State::ready) return CSDK_OK;
  if (slot.cancelled()) return CSDK_CANCELLED;
  if (state_ == State::quarantined) {
    return failWith(slot, CSDK_UNAVAILABLE,
                    "its process died five times within a minute and is not started again: " +
                        (lastError_ ? lastError_->why : std::string("no reason known")));
  }
  return failWith(slot, CSDK_UNAVAILABLE, lastError_ ? lastError_->why : std::string("its process is closed"),
                  CSDK_ERROR_RETRYABLE);
}

bool RemoteBackend::sendLocked(std::string frame) {
  if (!link_) return false;
  const bool had = link_->hasOutput();
  // A broken line shows itself to the reading thread too, which ends the calls.
  if (!link_->send(std::move(frame)) || (!had && link_->hasOutput())) wake();
  return true;
}

csdk_status RemoteBackend::start(Op op, csdk_call call, const void* args) {
  CallPin pin(call, &host_);
  if (!pin) return CSDK_CANCELLED;
  EncodedCall encoded = encodeCall(op, call, args, pin->deadlineNs());
  if (encoded.tooLong) {
    return failWith(*pin, CSDK_OUT_OF_RANGE, "the arguments are too long for a plug-in in a process of its own");
  }
  auto made = std::make_unique<RemoteCall>(RemoteCall{.owner = this, .call = call});
  RemoteCall* remote = made.get();
  remote->source = sourceOf(*opInfo(op).args, args);
  {
    std::unique_lock lock(mutex_);
    if (const csdk_status status = awaitReady(lock, *pin); status != CSDK_OK) return status;
    calls_.emplace(call, std::move(made));
  }
  // From here on the reading thread may end the call at any time, and `remote` with it, if the process dies.
  pin->onCancel(&cancelRemote, remote);
  std::lock_guard lock(mutex_);
  if (!calls_.contains(call)) return CSDK_PENDING;
  for (std::string& frame : encoded.frames) sendLocked(std::move(frame));
  remote->sent = true;
  if (remote->cancelWanted) sendLocked(encodeFrame(FrameType::cancel, 0, call, {}));
  if (remote->source != nullptr) {
    readable_.push_back(call);
    wake();
  }
  return CSDK_PENDING;
}

void RemoteBackend::cancelRemote(void* remoteCall) {
  auto& remote = *static_cast<RemoteCall*>(remoteCall);
  std::lock_guard lock(remote.owner->mutex_);
  remote.cancelWanted = true;
  if (remote.sent) remote.owner->sendLocked(encodeFrame(FrameType::cancel, 0, remote.call, {}));
}

void RemoteBackend::inputReady(void* remoteCall) {
  auto& remote = *static_cast<RemoteCall*>(remoteCall);
  {
    std::lock_guard lock(remote.owner->mutex_);
    remote.owner->readable_.push_back(remote.call);
  }
  remote.owner->wake();
}

void RemoteBackend::taken(csdk_call call, std::size_t bytes) {
  std::lock_guard lock(mutex_);
  const auto found = calls_.find(call);
  if (found == calls_.end()) return;
  RemoteCall& remote = *found->second;
  remote.toCredit += bytes;
  if (remote.toCredit < kCreditStep) return;
  remote.outstanding -= static_cast<std::int64_t>(remote.toCredit);
  sendLocked(encodeFrame(FrameType::credit, 0, call, encodeCount(remote.toCredit)));
  remote.toCredit = 0;
}

void RemoteBackend::givenUp(csdk_call call) {
  std::shared_ptr<net::RemoteHttp> requests;
  {
    std::lock_guard lock(mutex_);
    const auto found = calls_.find(call);
    if (found == calls_.end() || std::exchange(found->second->givenUp, true)) return;
    requests = found->second->http;
    ++hung_;
  }
  if (requests) requests->end();
  wake();
}

}  // namespace host

Result<std::shared_ptr<Provider>> openIsolated(std::shared_ptr<const Manifest> manifest, const LibraryFile& library,
                                               const ResolvedConfig& config, HostHooks hooks) {
  using namespace host;
  auto settings = std::make_unique<RemoteSettings>();
  auto program = hooks.pluginHost.empty() ? findPluginHost() : Result<std::filesystem::path>(hooks.pluginHost);
  if (!program) return std::move(program).error();
  settings->manifest = manifest;
  settings->program = std::move(*program);
  settings->library = library;
  if (library.descriptor >= 0) {
    settings->keptLibrary = UniqueFd(::fcntl(library.descriptor, F_DUPFD_CLOEXEC, 3));
    settings->library.descriptor = settings->keptLibrary.get();
  }
  settings->config = config;
  const NetworkSettings network = hooks.network;
  const std::int64_t graceNs = std::chrono::nanoseconds(hooks.grace).count();
  settings->args.emplace(settings->config, manifest->secrets == Secrets::host);
  for (ConfigValue& value : settings->config) {
    if (auto* text = std::get_if<std::string>(&value.value); value.secret && text != nullptr) {
      ::explicit_bzero(text->data(), text->size());
    }
  }
  HostContext& context = keepContext(manifest->name, true, std::move(hooks), settings->args->secrets());
  net::giveHttp(context, *manifest, config, network);
  const Serialize serialize = manifest->serialize;
  auto remote = std::make_unique<RemoteBackend>(std::move(settings), context);
  auto hello = remote->open();
  if (!hello) {
    remote->close();
    context.close();
    return std::move(hello).error();
  }
  OpenedBackend backend;
  backend.engine.graceNs = graceNs;
  backend.backend = std::move(remote);
  backend.engine.inlineCalls = true;  // sending is all that start does
  backend.engine.queued = true;
  backend.engine.lendsArgs = false;
  backend.engine.serialize = serialize;
  backend.present = hello->present;
  backend.extendMeaning = hello->extendMeaning;
  backend.placement = "isolated";
  return std::shared_ptr<Provider>(std::make_shared<OpenProvider>(std::move(manifest), context, std::move(backend)));
}

}  // namespace computesdk::registry
