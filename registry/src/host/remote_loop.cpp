#include "remote_backend.hpp"

#include "futex.hpp"
#include "library.hpp"
#include "net/remote_http.hpp"
#include "values/text.hpp"

#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

// The thread of an isolated plug-in: starts its process (which dies with the thread), reads what it says, and ends its
// calls when it dies.
namespace computesdk::registry::host {
namespace {

constexpr csdk_call kOpenCall = 1;  // no call of the table has this number
constexpr std::int64_t kShortestBackoffNs = 100'000'000;
constexpr std::int64_t kLongestBackoffNs = 30'000'000'000;
constexpr std::int64_t kMinuteNs = 60'000'000'000;
constexpr std::size_t kDeathsAMinute = 5;
/// Half of what the control lane of the process can lose and still answer.
constexpr std::size_t kMostHung = 8;
constexpr std::int64_t kFarewellNs = 2'000'000'000;

template <typename T>
const T* as(const Decoded& decoded) noexcept {
  return static_cast<const T*>(decoded.value);
}

}  // namespace

void RemoteBackend::loop() {
  while (waitForWork()) {
    std::unique_lock lock(mutex_);
    const bool startNow = state_ == State::down && wantStart_ && monotonicNs() >= nextStartNs_;
    lock.unlock();
    if (startNow) startProcess();
    pumpReady();
    if (link_) serveSocket();
    if (link_ && hangs()) died("had " + std::to_string(kMostHung) + " calls that hung and was ended");
  }
  std::unique_lock lock(mutex_);
  state_ = State::closed;
  std::optional<RemoteLink> link = std::exchange(link_, std::nullopt);
  changed_.notify_all();
  lock.unlock();
  if (link) farewell(*link);
}

bool RemoteBackend::hangs() {
  std::lock_guard lock(mutex_);
  return hung_ >= kMostHung;
}

void RemoteBackend::farewell(RemoteLink& link) {
  // Its end of the line says that nothing more comes; it closes the provider and goes.
  ::shutdown(link.child().socket(), SHUT_WR);
  const std::int64_t until = monotonicNs() + kFarewellNs;
  for (;;) {
    const std::int64_t leftMs = (until - monotonicNs()) / 1'000'000;
    pollfd ended{link.child().socket(), POLLIN, 0};
    if (leftMs <= 0 || ::poll(&ended, 1, static_cast<int>(leftMs)) == 0) break;
    if (link.read() == RemoteLink::Read::ended) break;
    while (link.next()) {
    }
  }
  link.end();
}

bool RemoteBackend::waitForWork() {
  std::array<pollfd, 3> fds = {{{wakeFd_.get(), POLLIN, 0}, {-1, POLLIN, 0}, {-1, POLLIN, 0}}};
  int timeoutMs = -1;
  {
    std::lock_guard lock(mutex_);
    if (closing_) return false;
    if (state_ == State::down && wantStart_) {
      timeoutMs = static_cast<int>(std::max<std::int64_t>(0, (nextStartNs_ - monotonicNs()) / 1'000'000 + 1));
      if (monotonicNs() >= nextStartNs_) timeoutMs = 0;
    }
    if (link_) {
      fds[1].fd = link_->child().socket();
      if (link_->hasOutput()) fds[1].events |= POLLOUT;
      fds[2].fd = link_->child().errorPipe();
    }
  }
  ::poll(fds.data(), fds.size(), timeoutMs);
  std::uint64_t count;
  while (::read(wakeFd_.get(), &count, sizeof count) < 0 && errno == EINTR) {
  }
  std::lock_guard lock(mutex_);
  return !closing_;
}

void RemoteBackend::startProcess() {
  auto child = ChildProcess::start(settings_->program, *settings_->manifest, settings_->library);
  if (!child) return startFailed(std::move(child).error());
  RemoteLink link(std::move(*child));
  RemoteHello hello;
  if (auto error = openRemote(link, hello)) return startFailed(std::move(*error));
  std::lock_guard lock(mutex_);
  hello_ = hello;
  link_.emplace(std::move(link));
  state_ = State::ready;
  opened_ = true;
  wantStart_ = false;
  changed_.notify_all();
}

std::optional<ErrorInfo> RemoteBackend::openRemote(RemoteLink& link, RemoteHello& hello) {
  const Manifest& manifest = *settings_->manifest;
  const std::int64_t deadline = monotonicNs() + kStartLimitNs;
  const RemoteLog log = [this](std::uint32_t level, std::string_view text) { host_.log(level, text); };
  auto said = awaitHello(link, manifest, deadline, log);
  if (!said) return std::move(said).error();
  hello = *said;
  std::string body;
  encodeStruct(kOpenArgs, &settings_->args->get(), body);
  if (body.size() > kMaxBody) return loadError(manifest, "its configuration is longer than 1 MiB");
  link.send(encodeFrame(FrameType::open, host_.hasHttp() ? kOpenHttp : 0, kOpenCall, body));
  ::explicit_bzero(body.data(), body.size());

  CallFailure failure;
  for (;;) {
    auto frame = awaitFrame(link, manifest, deadline, log);
    if (!frame) return std::move(frame).error();
    std::pmr::monotonic_buffer_resource memory;
    const bool isResult = frame->type == FrameType::result && frame->flags == static_cast<int>(ResultKind::error);
    if (!isResult && frame->type != FrameType::complete) break;
    const auto decoded = decodeStruct(isResult ? resultStruct(ResultKind::error) : kCompleteBody, frame->body, memory);
    if (!decoded) break;
    if (isResult) {
      failure = failureOf(*as<csdk_error>(*decoded));
      continue;
    }
    const std::int32_t status = as<CompleteBody>(*decoded)->status;
    if (status == CSDK_OK) return std::nullopt;
    link.end();
    return openError(status, std::move(failure), host_);
  }
  link.end();
  return loadError(manifest, "its process did not speak the protocol of this host");
}

void RemoteBackend::startFailed(ErrorInfo error) {
  host_.redact(error.why);
  std::unique_lock lock(mutex_);
  // The first start is somebody's who waits for it and gets the error itself.
  if (opened_) {
    lock.unlock();
    host_.log(CSDK_LOG_ERROR, error.why);
    lock.lock();
  }
  lastError_ = std::move(error);
  ++failedStarts_;
  wantStart_ = false;
  nextStartNs_ = countDeath();
  changed_.notify_all();
}

std::int64_t RemoteBackend::countDeath() {
  const std::int64_t now = monotonicNs();
  if (deathTimes_.empty() || now - deathTimes_.back() > kMinuteNs) backoffNs_ = 0;
  deathTimes_.push_back(now);
  while (now - deathTimes_.front() > kMinuteNs) deathTimes_.pop_front();
  backoffNs_ = std::clamp(backoffNs_ * 2, kShortestBackoffNs, kLongestBackoffNs);
  state_ = deathTimes_.size() >= kDeathsAMinute ? State::quarantined : State::down;
  return now + backoffNs_;
}

void RemoteBackend::died(std::string_view cause) {
  host_.deaths.fetch_add(1, std::memory_order_relaxed);
  std::unordered_map<csdk_call, std::unique_ptr<RemoteCall>> calls;
  std::optional<RemoteLink> link;
  {
    std::lock_guard lock(mutex_);
    link = std::exchange(link_, std::nullopt);
    calls.swap(calls_);
    readable_.clear();
    hung_ = 0;
    nextStartNs_ = countDeath();
  }
  const std::string how = link->end();
  std::string why = "the process of the plug-in " + (cause.empty() ? how : std::string(cause));
  if (const std::string last = link->lastErrors(); !last.empty()) why += "; it last wrote: " + printable(last, 1024);
  host_.redact(why);
  host_.log(CSDK_LOG_ERROR, why);
  {
    std::lock_guard lock(mutex_);
    lastError_ = loadError(*settings_->manifest, why);
    changed_.notify_all();
  }
  for (const auto& [number, call] : calls) {
    if (call->http) call->http->end();
    {
      CallPin pin(number, &host_);
      if (pin) pin->failAsDead(why);
    }
    finishCall(host_, number, CSDK_UNAVAILABLE);
  }
}

void RemoteBackend::serveSocket() {
  link_->readErrors();
  {
    std::lock_guard lock(mutex_);
    link_->flush();
  }
  // A bounded number of reads, so that input and starting get their turn.
  for (int turn = 0; turn < 16; ++turn) {
    const RemoteLink::Read got = link_->read();
    if (got == RemoteLink::Read::ended) return died({});
    if (got == RemoteLink::Read::nothing) return;
    while (auto frame = link_->next()) {
      if (!handle(*frame)) return died("broke the protocol and was ended");
    }
    if (link_->broken()) return died("broke the protocol and was ended");
  }
}

bool RemoteBackend::handle(const Frame& frame) {
  switch (frame.type) {
    case FrameType::output: return handleOutput(frame);
    case FrameType::result: return handleResult(frame);
    case FrameType::complete: return handleComplete(frame);
    case FrameType::inputCredit: return handleInputCredit(frame);
    case FrameType::http: return handleHttp(frame);
    case FrameType::log: host_.log(frame.flags, textOf(frame.body)); return true;
    default: return false;
  }
}

RemoteBackend::RemoteCall* RemoteBackend::find(csdk_call call) {
  std::lock_guard lock(mutex_);
  const auto found = calls_.find(call);
  return found == calls_.end() ? nullptr : found->second.get();
}

bool RemoteBackend::weigh(csdk_call call, std::size_t bytes) {
  std::lock_guard lock(mutex_);
  const auto found = calls_.find(call);
  if (found == calls_.end()) return false;
  found->second->outstanding += static_cast<std::int64_t>(bytes);
  // One push may go over the window, for it is sent whole once there is any credit.
  return found->second->outstanding <= kOutputWindow + static_cast<std::int64_t>(2 * kMaxFrame);
}

bool RemoteBackend::handleOutput(const Frame& frame) {
  if (frame.flags < CSDK_STREAM_STDOUT || frame.flags > CSDK_STREAM_END || !weigh(frame.call, frame.body.size())) {
    return false;
  }
  CallPin pin(frame.call, &host_);
  if (pin) pin->write(frame.flags, toBytes(textOf(frame.body)));
  return true;
}

bool RemoteBackend::handleResult(const Frame& frame) {
  if (frame.flags >= kResultKinds) return false;
  const auto kind = static_cast<ResultKind>(frame.flags);
  std::pmr::monotonic_buffer_resource memory;
  const auto decoded = decodeStruct(resultStruct(kind), frame.body, memory);
  if (!decoded || !weigh(frame.call, payloadSize(resultStruct(kind), decoded->value))) return false;
  // A call that was given up is not there any more, which is no fault of the plug-in.
  if (!CallPin(frame.call, &host_)) return true;
  const csdk_host& host = host_.table();
  switch (kind) {
    case ResultKind::sandbox:
      return host.emit_sandbox(&host, frame.call, as<csdk_sandbox_info>(*decoded)) != CSDK_INVALID_ARGUMENT;
    case ResultKind::entry: host.emit_entry(&host, frame.call, as<csdk_entry>(*decoded)); return true;
    case ResultKind::url: host.emit_url(&host, frame.call, as<csdk_url>(*decoded)); return true;
    case ResultKind::process: host.emit_process(&host, frame.call, as<csdk_process>(*decoded)); return true;
    case ResultKind::snapshot: host.emit_snapshot(&host, frame.call, as<csdk_snapshot>(*decoded)); return true;
    case ResultKind::item: host.emit_template(&host, frame.call, as<csdk_template>(*decoded)); return true;
    case ResultKind::progress: host.progress(&host, frame.call, as<csdk_progress>(*decoded)); return true;
    case ResultKind::exit: host.exit(&host, frame.call, as<csdk_exit>(*decoded)); return true;
    case ResultKind::error: host.fail(&host, frame.call, as<csdk_error>(*decoded)); return true;
    case ResultKind::token:
      return host.emit_token(&host, frame.call, as<TokenResult>(*decoded)->token) != CSDK_INVALID_ARGUMENT;
    case ResultKind::json:
      return host.emit_json(&host, frame.call, as<JsonResult>(*decoded)->json) != CSDK_INVALID_ARGUMENT;
  }
  return false;
}

bool RemoteBackend::handleComplete(const Frame& frame) {
  std::pmr::monotonic_buffer_resource memory;
  const auto decoded = decodeStruct(kCompleteBody, frame.body, memory);
  if (!decoded || find(frame.call) == nullptr) return false;
  const auto& body = *as<CompleteBody>(*decoded);
  if (const auto requests = find(frame.call)->http) requests->end();
  if (body.misbehaviour > 0) host_.misbehaviour.fetch_add(static_cast<std::uint64_t>(body.misbehaviour));
  finishCall(host_, frame.call, body.status);
  std::lock_guard lock(mutex_);
  const auto found = calls_.find(frame.call);
  if (found->second->givenUp) --hung_;
  calls_.erase(found);
  return true;
}

bool RemoteBackend::handleInputCredit(const Frame& frame) {
  const auto count = readCount(frame.body);
  RemoteCall* call = find(frame.call);
  if (!count || call == nullptr || *count > static_cast<std::uint64_t>(kInputWindow)) return false;
  call->inputCredit += static_cast<std::int64_t>(*count);
  if (call->inputCredit > kInputWindow) return false;
  pump(*call);
  return true;
}

bool RemoteBackend::handleHttp(const Frame& frame) {
  RemoteCall* call = find(frame.call);
  const std::shared_ptr<net::HttpCarrier> carrier = host_.http();
  if (call == nullptr || !carrier) return false;
  CallPin pin(frame.call, &host_);
  if (!pin) return true;  // given up; its requests have ended
  if (!call->http) {
    auto send = [this](std::string bytes) {
      std::lock_guard lock(mutex_);
      sendLocked(std::move(bytes));
    };
    auto made = std::make_shared<net::RemoteHttp>(frame.call, pin->deadlineNs(), carrier, std::move(send));
    std::lock_guard lock(mutex_);
    call->http = std::move(made);
  }
  return call->http->handle(frame);
}

void RemoteBackend::pumpReady() {
  std::vector<csdk_call> ready;
  {
    std::lock_guard lock(mutex_);
    ready.swap(readable_);
  }
  for (csdk_call number : ready) {
    if (RemoteCall* call = find(number)) pump(*call);
  }
}

void RemoteBackend::pump(RemoteCall& call) {
  if (call.source == nullptr) return;
  std::array<std::uint8_t, kDataChunk> chunk;
  while (!call.inputEnded && call.inputCredit > 0) {
    const auto room = std::min<std::size_t>(chunk.size(), static_cast<std::size_t>(call.inputCredit));
    std::size_t size = 0;
    const csdk_status status = call.source->read(call.source, chunk.data(), room, &size);
    if (status == CSDK_AGAIN) {
      call.source->on_readable(call.source, &inputReady, &call);
      return;
    }
    const std::string_view bytes(reinterpret_cast<const char*>(chunk.data()), status == CSDK_OK ? size : 0);
    call.inputCredit -= static_cast<std::int64_t>(bytes.size());
    call.inputEnded = status != CSDK_OK;
    std::lock_guard lock(mutex_);
    if (!bytes.empty()) sendLocked(encodeFrame(FrameType::input, 0, call.call, bytes));
    if (call.inputEnded) sendLocked(encodeFrame(FrameType::inputEnd, 0, call.call, {}));
  }
}

}  // namespace computesdk::registry::host
