#include "exchange.hpp"

#include <strings.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace computesdk::net {
namespace {

constexpr std::size_t kMaxDiscard = 64 * 1024;
/// How long the end of an answer may take to come when the plug-in has read all that it needs.
constexpr milliseconds kDrainTime{100};
constexpr std::size_t kMaxPiece = 64 * 1024;  ///< of a body, in one event

std::string_view view(csdk_str text) {
  return text.data == nullptr ? std::string_view{} : std::string_view{text.data, text.size};
}
std::string text(csdk_str value) { return std::string(view(value)); }
csdk_str lend(std::string_view value) { return {value.data(), value.size()}; }

milliseconds orElse(std::int64_t ms, std::int64_t otherwise) { return milliseconds(ms > 0 ? ms : otherwise); }

void wipe(std::string& secret) {
  ::explicit_bzero(secret.data(), secret.size());
  secret.clear();
}

Route routeOf(const csdk_net_request& request) {
  Route route;
  route.host = text(request.host);
  route.port = static_cast<std::uint16_t>(request.port);
  route.tls = (request.flags & CSDK_NET_TLS) != 0;
  route.privateOk = (request.flags & CSDK_NET_PRIVATE_OK) != 0;
  route.proxyHost = text(request.proxy_host);
  route.proxyPort = static_cast<std::uint16_t>(request.proxy_port);
  route.proxyAuthorization = text(request.proxy_authorization);
  route.trust = {text(request.ca_file), text(request.ca_dir), text(request.extra_ca_file)};
  return route;
}

std::optional<Clock::time_point> deadlineOf(const csdk_net_request& request) {
  if (request.deadline_ns == 0) return {};
  return Clock::time_point(std::chrono::nanoseconds(request.deadline_ns));
}

std::int64_t wallMs() {
  return std::chrono::duration_cast<milliseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

/// What is left of a request when only its numbers and its sink are wanted.
csdk_net_request sinkOf(const csdk_net_request& request) {
  csdk_net_request sink{};
  sink.flags = request.flags;
  sink.connect_timeout_ms = request.connect_timeout_ms;
  sink.head_timeout_ms = request.head_timeout_ms;
  sink.idle_timeout_ms = request.idle_timeout_ms;
  sink.ctx = request.ctx;
  sink.event = request.event;
  sink.done = request.done;
  return sink;
}

/// How long the peer says it keeps a connection open: `Keep-Alive: timeout=5`.
Clock::duration keptAlive(const Headers& headers) {
  const std::string* value = findHeader(headers, "keep-alive");
  const std::size_t at = value == nullptr ? std::string::npos : value->find("timeout=");
  if (at == std::string::npos) return std::chrono::seconds(5);
  int seconds = 0;
  std::from_chars(value->data() + at + 8, value->data() + value->size(), seconds);
  return std::chrono::seconds(std::clamp(seconds, 0, 3600));
}

std::string seconds(milliseconds span) {
  return span.count() % 1000 == 0 ? std::to_string(span.count() / 1000) + " s" : std::to_string(span.count()) + " ms";
}

}  // namespace

struct MovingLimit::State {
  asio::steady_timer timer;
  std::function<void()> reached;
  Clock::time_point until = Clock::time_point::max();
  bool armed = false, fired = false;
};

MovingLimit::MovingLimit(asio::io_context& io, std::function<void()> reached)
    : state_(std::make_shared<State>(State{asio::steady_timer(io), std::move(reached)})) {}

MovingLimit::~MovingLimit() {
  state_->reached = nullptr;
  state_->timer.cancel();
}

bool MovingLimit::fired() const noexcept { return state_->fired; }

void MovingLimit::set(milliseconds span) {
  const bool earlier = span.count() > 0 && Clock::now() + span < state_->until;
  state_->until = span.count() > 0 ? Clock::now() + span : Clock::time_point::max();
  // A later time is found out when the earlier one has come: no system call for each piece of an answer.
  if (span.count() <= 0 || (state_->armed && !earlier)) return;
  arm(state_);
}

void MovingLimit::arm(const std::shared_ptr<State>& state) {
  state->armed = true;
  state->timer.expires_at(state->until);
  state->timer.async_wait([state](error_code error) {
    if (error || !state->reached) return;
    state->armed = false;
    if (state->until == Clock::time_point::max()) return;
    if (Clock::now() < state->until) return arm(state);
    state->fired = true;
    state->reached();
  });
}

Exchange::Exchange(Hub& hub, const csdk_net_request& request)
    : hub_(hub),
      sink_(sinkOf(request)),
      route_(routeOf(request)),
      method_(text(request.method)),
      target_(text(request.target)),
      body_(request.body.data == nullptr
                ? std::string()
                : std::string(reinterpret_cast<const char*>(request.body.data), request.body.size)),
      stream_((request.flags & CSDK_HTTP_BODY_STREAM) != 0),
      webSocket_((request.flags & CSDK_HTTP_WEBSOCKET) != 0),
      retry_(request.retry, Clock::now(), deadlineOf(request)),
      credit_(hub.io),
      input_(hub.io),
      pause_(hub.io) {
  for (std::size_t i = 0; i < request.headers.count; ++i) {
    headers_.emplace_back(text(request.headers.items[i].key), text(request.headers.items[i].value));
  }
  for (std::size_t i = 0; i < request.subprotocols.count; ++i)
    subprotocols_.push_back(text(request.subprotocols.items[i]));
  if (webSocket_) return;
  buildHead();
  for (auto& [name, value] : headers_) wipe(value);
  headers_ = {};
}

Exchange::~Exchange() {
  wipe(head_);
  for (auto& [name, value] : headers_) wipe(value);
  for (std::string& one : subprotocols_) wipe(one);
}

void Exchange::buildHead() {
  const auto has = [this](std::string_view name) {
    return std::any_of(headers_.begin(), headers_.end(), [&](const auto& one) {
      return one.first.size() == name.size() && ::strncasecmp(one.first.data(), name.data(), name.size()) == 0;
    });
  };
  std::size_t size = 256 + target_.size() + body_.size();
  for (const auto& [name, value] : headers_) size += name.size() + value.size() + 4;
  head_.reserve(size);  // once, so that no copy of a secret is left behind by growing
  head_.append(method_)
      .append(" ")
      .append(target_)
      .append(" HTTP/1.1\r\nHost: ")
      .append(route_.hostHeader())
      .append("\r\n");
  for (const auto& [name, value] : headers_) head_.append(name).append(": ").append(value).append("\r\n");
  if (!has("accept")) head_.append("Accept: */*\r\n");
  if (stream_) {
    chunked_ = !has("content-length");
    if (chunked_) head_.append("Transfer-Encoding: chunked\r\n");
  } else if (!body_.empty() || method_ == "POST" || method_ == "PUT" || method_ == "PATCH") {
    head_.append("Content-Length: ").append(std::to_string(body_.size())).append("\r\n");
  }
  head_.append("\r\n");
}

csdk_status Exchange::write(std::uint32_t flags, std::string_view data) {
  bool pause;
  {
    std::lock_guard lock(mutex_);
    if (closed_ || over_) return CSDK_OK;
    queued_ += data.size();
    pieces_.push_back({flags, std::string(data)});
    pause = paused_ = paused_ || queued_ > CSDK_HTTP_CREDIT;
  }
  asio::post(hub_.io, [self = shared_from_this()] { self->input_.open(); });
  return pause ? CSDK_PAUSE : CSDK_OK;
}

void Exchange::ack(std::size_t size) {
  acked_.fetch_add(size, std::memory_order_seq_cst);
  if (wantsCredit_.load(std::memory_order_seq_cst)) {
    asio::post(hub_.io, [self = shared_from_this()] { self->credit_.open(); });
  }
}

void Exchange::close(std::int32_t code, std::string_view reason) {
  {
    std::lock_guard lock(mutex_);
    if (closed_ || over_) return;
    closed_ = true;
    closeCode_ = code;
    closeReason_ = std::string(reason.substr(0, 123));
  }
  asio::post(hub_.io, [self = shared_from_this()] { self->stop(); });
}

bool Exchange::closing() const {
  std::lock_guard lock(mutex_);
  return closed_;
}

void Exchange::stop() {
  if (!drain()) abort_();
  pause_.open();
  credit_.open();
  input_.open();
}

void Exchange::emit(csdk_http_event& event) {
  if (closing()) return;
  event.struct_size = sizeof event;
  event.attempts = attempts_;
  sink_.event(sink_.ctx, &event);
}

void Exchange::emitHead(int status, const Headers& headers) {
  std::vector<csdk_pair> pairs;
  pairs.reserve(headers.size());
  for (const auto& [name, value] : headers) pairs.push_back({lend(name), lend(value)});
  csdk_http_event event{};
  event.kind = CSDK_HTTP_HEAD;
  event.status = status;
  event.headers = {pairs.data(), pairs.size()};
  emit(event);
}

void Exchange::emitData(std::string_view data, std::uint32_t flags) {
  while (data.size() > kMaxPiece) {
    emitData(data.substr(0, kMaxPiece), flags & ~CSDK_HTTP_FINAL);
    data.remove_prefix(kMaxPiece);
  }
  csdk_http_event event{};
  event.kind = CSDK_HTTP_DATA;
  event.flags = flags;
  event.data = {reinterpret_cast<const std::uint8_t*>(data.data()), data.size()};
  delivered_ += data.size();
  emit(event);
}

void Exchange::emitEnd(std::int32_t code, std::string_view reason) {
  csdk_http_event event{};
  event.kind = CSDK_HTTP_END;
  event.status = code;
  event.message = lend(reason);
  emit(event);
}

void Exchange::emitFailure(const Failure& failure) {
  csdk_http_event event{};
  event.kind = CSDK_HTTP_FAILED;
  event.flags = failure.sent ? CSDK_HTTP_MAYBE_APPLIED : 0;
  event.error_class = failure.errorClass;
  event.message = lend(failure.message);
  emit(event);
}

Task<void> Exchange::waitForCredit() {
  while (!closing() && delivered_ - acked_.load(std::memory_order_seq_cst) >= CSDK_HTTP_CREDIT) {
    wantsCredit_.store(true, std::memory_order_seq_cst);
    if (delivered_ - acked_.load(std::memory_order_seq_cst) >= CSDK_HTTP_CREDIT) co_await credit_.wait();
    wantsCredit_.store(false, std::memory_order_seq_cst);
  }
}

Task<std::optional<Exchange::Piece>> Exchange::nextPiece() {
  for (;;) {
    std::optional<Piece> piece;
    bool writable = false, stopped = false;
    {
      std::lock_guard lock(mutex_);
      // What was written before a WebSocket is closed goes out first.
      stopped = stopSending_ || (abort_.aborted() && (!webSocket_ || pieces_.empty()));
      if (!stopped && !pieces_.empty()) {
        piece = std::move(pieces_.front());
        pieces_.pop_front();
        queued_ -= piece->bytes.size();
        writable = paused_ && queued_ <= CSDK_HTTP_CREDIT / 2;
        if (writable) paused_ = false;
      }
    }
    if (writable) {
      csdk_http_event event{};
      event.kind = CSDK_HTTP_WRITABLE;
      emit(event);
    }
    if (piece || stopped) co_return piece;
    co_await input_.wait();
  }
}

/// One request on one connection.
struct Exchange::Link {
  Link(Exchange& exchange, std::unique_ptr<Connection> given)
      : connection(std::move(given)),
        wire(*connection->wire),
        limit(exchange.hub_.io, [this] { wire.close(); }),
        written(exchange.hub_.io),
        answer(exchange.method_ == "HEAD", [this, &exchange](std::string_view data) {
          discarded += discarding ? data.size() : 0;
          if (!discarding) exchange.emitData(data);
        }) {}

  std::unique_ptr<Connection> connection;
  Wire& wire;
  MovingLimit limit;
  Gate written;
  AnswerReader answer;
  bool writing = false, sentAll = false, sentSome = false;
  bool discarding = false;
  std::size_t discarded = 0;
};

bool Exchange::drain() {
  // A protocol with an end of its own (the last envelope, the line with the exit code) is often closed between that
  // and the end of the HTTP answer. Breaking the connection off there would cost the next request a new one.
  if (answering_ == nullptr || !answering_->sentAll) return false;
  answering_->discarding = true;
  answering_->limit.set(kDrainTime);
  return true;
}

void Exchange::launch(const std::shared_ptr<Exchange>& exchange) {
  asio::post(exchange->hub_.io, [exchange] {
    Exchange& self = *exchange;
    asio::co_spawn(self.hub_.io, self.run(), [exchange](std::exception_ptr thrown) {
      Exchange& ended = *exchange;
      if (thrown) ended.emitFailure({CSDK_ERROR_PLAIN, "the HTTP client ran out of memory", true, true});
      {
        std::lock_guard lock(ended.mutex_);
        ended.over_ = true;
        ended.pieces_.clear();
      }
      ended.sink_.done(ended.sink_.ctx);
    });
  });
}

Task<void> Exchange::run() {
  bool fresh = false;
  for (;;) {
    if (!fresh) ++attempts_;
    Outcome outcome = co_await attempt(fresh);
    if (outcome.finished || closing()) co_return;
    fresh = outcome.stale;
    if (fresh) continue;
    RetryPolicy::Pause pause = outcome.pause;
    if (outcome.failure) pause = retry_.afterFailure(*outcome.failure, attempts_, Clock::now());
    if (!pause) {
      emitFailure(*outcome.failure);
      co_return;
    }
    co_await pause_.waitUntil(Clock::now() + *pause);
    if (closing()) co_return;
  }
}

Task<std::optional<Failure>> Exchange::connect(std::unique_ptr<Connection>& out) {
  const Clock::time_point until = Clock::now() + orElse(sink_.connect_timeout_ms, 10'000);
  Connected connected = co_await connectTo(route_, hub_.io, hub_.resolver, hub_.bytes, until, abort_);
  if (!connected.wire) co_return std::move(connected.failure);
  ++hub_.connections;
  out = std::make_unique<Connection>();
  out->wire = std::move(connected.wire);
  out->route = route_;
  co_return std::nullopt;
}

Task<Exchange::Outcome> Exchange::attempt(bool fresh) {
  std::unique_ptr<Connection> connection;
  if (!fresh && !webSocket_) {
    const bool safe = !stream_ && (retry_.idempotent() || method_ == "GET" || method_ == "HEAD");
    connection = hub_.pool.take(route_, safe);
  }
  if (!connection) {
    std::optional<Failure> failure = co_await connect(connection);
    Outcome outcome;
    outcome.failure = std::move(failure);
    if (outcome.failure) co_return outcome;
  }
  if (closing()) co_return ended();
  ++hub_.requests;
  if (webSocket_) co_return co_await talkWebSocket(std::move(connection));
  co_return co_await talk(std::move(connection));
}

Task<Exchange::Outcome> Exchange::talk(std::unique_ptr<Connection> given) {
  Link link(*this, std::move(given));
  const Abort::Scope scope(abort_, [&link] { link.wire.close(); });
  link.limit.set(orElse(sink_.head_timeout_ms, 60'000));
  link.writing = true;
  stopSending_ = false;
  asio::co_spawn(hub_.io, send(link), [&link, self = shared_from_this()](std::exception_ptr thrown) {
    if (thrown) link.wire.close();
    link.writing = false;
    link.written.open();
  });
  Outcome outcome = co_await read(link);
  const bool clean =
      (outcome.finished || outcome.pause) && link.sentAll && link.answer.reusable() && link.answer.head().status != 101;
  if (!clean) link.wire.close();
  if (link.writing) {
    // The sender may be waiting for more of the body.
    stopSending_ = true;
    input_.open();
    while (link.writing) co_await link.written.wait();
  }
  if (clean) {
    link.connection->keptAlive = keptAlive(link.answer.head().headers);
    hub_.pool.put(std::move(link.connection));
  }
  // Only now, so that the plug-in's next request finds the connection.
  if (outcome.complete) emitEnd(0, {});
  co_return outcome;
}

Task<void> Exchange::send(Link& link) {
  const milliseconds patience = orElse(sink_.head_timeout_ms, 60'000);
  // Small requests leave in one piece.
  std::string whole;
  std::string_view first = head_;
  const bool joined = body_.size() <= 16 * 1024;
  if (joined && !body_.empty()) {
    whole.reserve(head_.size() + body_.size());
    whole.append(head_).append(body_);
    first = whole;
  }
  link.sentSome = true;
  Wire::Moved moved = co_await link.wire.writeAll(std::as_bytes(std::span(first)));
  wipe(whole);
  if (moved.step != Wire::Step::moved) {
    link.sentSome = moved.bytes != 0;
    co_return;
  }
  std::string_view rest = joined ? std::string_view{} : std::string_view(body_);
  while (!rest.empty()) {
    const std::string_view part = rest.substr(0, 64 * 1024);
    moved = co_await link.wire.writeAll(std::as_bytes(std::span(part)));
    if (moved.step != Wire::Step::moved) co_return;
    if (!link.answer.hasHead()) link.limit.set(patience);
    rest.remove_prefix(part.size());
  }
  while (stream_) {
    // The plug-in may take its time; the peer's begins with the last byte that it was given.
    if (!link.answer.hasHead()) link.limit.clear();
    std::optional<Piece> piece = co_await nextPiece();
    if (!piece) co_return;
    if (!link.answer.hasHead()) link.limit.set(patience);
    retry_.forbid();
    const bool last = (piece->flags & CSDK_HTTP_FINAL) != 0;
    std::string& bytes = piece->bytes;
    if (chunked_ && !bytes.empty()) {
      char line[24];
      const int length = std::snprintf(line, sizeof line, "%zx\r\n", bytes.size());
      bytes.insert(0, line, static_cast<std::size_t>(length)).append("\r\n");
    }
    if (chunked_ && last) bytes.append("0\r\n\r\n");
    moved = co_await link.wire.writeAll(std::as_bytes(std::span(bytes)));
    if (moved.step != Wire::Step::moved) co_return;
    if (!link.answer.hasHead()) link.limit.set(patience);
    if (last) break;
  }
  link.sentAll = true;
}

Exchange::Outcome Exchange::broken(Link& link, const Wire::Moved& moved) {
  Outcome outcome;
  const std::string who = route_.authority();
  const bool hadHead = link.answer.hasHead();
  const bool ended = moved.step == Wire::Step::end || moved.error == asio::error::eof;
  if (link.limit.fired()) {
    const milliseconds patience = hadHead ? milliseconds(sink_.idle_timeout_ms) : orElse(sink_.head_timeout_ms, 60'000);
    outcome.failure = networkFailure(hadHead ? who + " sent nothing for " + seconds(patience)
                                             : "no answer from " + who + " within " + seconds(patience));
  } else if (hadHead || !link.answer.untouched()) {
    outcome.failure = ended ? protocolFailure("the answer of " + who + " was cut off")
                            : networkFailure("the connection to " + who + " broke: " + moved.error.message());
  } else {
    outcome.failure =
        networkFailure(ended ? who + " closed the connection before it answered"
                             : "the connection to " + who + " broke before an answer came: " + moved.error.message());
    const bool harmless =
        !link.sentSome || (!stream_ && (retry_.idempotent() || method_ == "GET" || method_ == "HEAD"));
    outcome.stale = link.connection->reused && harmless;
  }
  outcome.failure->sent = link.sentSome;
  return outcome;
}

Task<Exchange::Outcome> Exchange::read(Link& link) {
  Outcome outcome;
  bool headSeen = false;
  while (!link.answer.done()) {
    if (headSeen && !link.discarding) {
      if (delivered_ - acked_.load(std::memory_order_relaxed) >= CSDK_HTTP_CREDIT) {
        link.limit.clear();
        co_await waitForCredit();
      }
      if (!link.discarding) link.limit.set(milliseconds(sink_.idle_timeout_ms));
    }
    if (link.discarded > kMaxDiscard) {
      outcome = ended();
      break;
    }
    const Wire::Moved moved = co_await link.wire.read(hub_.buffer);
    std::string problem;
    if (moved.step == Wire::Step::moved) {
      problem = link.answer.feed(std::span<const std::byte>(hub_.buffer).first(moved.bytes));
    } else if (moved.step != Wire::Step::end || !link.answer.end().empty()) {
      outcome = broken(link, moved);
      break;
    }
    if (problem.empty() && !headSeen && link.answer.hasHead()) {
      const Head& head = link.answer.head();
      const auto pause = retry_.afterStatus(head.status, retryAfter(head.headers, wallMs()), attempts_, Clock::now());
      if (pause && !closing()) co_return co_await discard(link, *pause);
      headSeen = true;
      answering_ = &link;
      emitHead(head.status, head.headers);
      problem = link.answer.resume();
    }
    if (!problem.empty()) {
      outcome.failure = protocolFailure(route_.authority() + " did not answer in HTTP: " + problem);
      break;
    }
  }
  answering_ = nullptr;
  link.limit.clear();
  if (outcome.failure && headSeen) {
    // What was handed on cannot be taken back, so there is no second attempt.
    emitFailure(*outcome.failure);
    outcome = ended();
  } else if (!outcome.failure) {
    outcome.finished = outcome.complete = true;
  }
  co_return outcome;
}

Task<Exchange::Outcome> Exchange::discard(Link& link, milliseconds pause) {
  // A short answer is read to its end, so that its connection can be used again.
  Outcome outcome;
  outcome.pause = pause;
  link.discarding = true;
  link.limit.set(milliseconds(1000));
  bool usable = link.answer.resume().empty();
  while (usable && !link.answer.done() && link.discarded <= kMaxDiscard) {
    const Wire::Moved moved = co_await link.wire.read(hub_.buffer);
    usable = moved.step == Wire::Step::moved &&
             link.answer.feed(std::span<const std::byte>(hub_.buffer).first(moved.bytes)).empty();
  }
  link.limit.clear();
  co_return outcome;
}

}  // namespace computesdk::net
