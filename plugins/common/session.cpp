#include "common/session.hpp"

#include "common/results.hpp"
#include "common/text.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace computesdk::vendor {
namespace {

using plugin::str;
using plugin::view;

constexpr std::array<std::uint16_t, 5> kRepeatedStatuses = {429, 500, 502, 503, 504};
// How long all attempts may take together. Who is asked to come back later than that tells the caller, who may know
// better than to wait.
constexpr std::int64_t kRetryTotalMs = 60'000;

csdk_http_retry policyOf(Retry retry) {
  auto policy = plugin::make<csdk_http_retry>();
  if (retry == Retry::notSent) policy.mode = CSDK_HTTP_RETRY_IF_NOT_SENT;
  if (retry == Retry::idempotent || retry == Retry::transport) policy.mode = CSDK_HTTP_RETRY_IDEMPOTENT;
  if (retry == Retry::idempotent) policy.statuses = {kRepeatedStatuses.data(), kRepeatedStatuses.size()};
  policy.total_ms = kRetryTotalMs;
  return policy;
}

}  // namespace

Session::~Session() {
  for (const auto& [number, running] : requests_) http_.close(number);
}

std::uint64_t Session::start(const Request& request, Handlers handlers) {
  const std::vector<csdk_pair> headers = lend(request.headers);
  const std::vector<csdk_pair> secrets = lend(request.secretHeaders);
  std::vector<csdk_str> subprotocols;
  for (const std::string& one : request.subprotocols) subprotocols.push_back(str(one));
  const csdk_http_retry policy = policyOf(request.retry);
  auto given = plugin::make<csdk_http_request>();
  if (request.streamBody) given.flags |= CSDK_HTTP_BODY_STREAM;
  if (request.webSocket) given.flags |= CSDK_HTTP_WEBSOCKET;
  given.method = request.webSocket ? csdk_str{} : str(request.method);
  given.url = str(request.url);
  given.headers = {headers.data(), headers.size()};
  given.secret_headers = {secrets.data(), secrets.size()};
  given.subprotocols = {subprotocols.data(), subprotocols.size()};
  given.body = plugin::bytes(std::string_view(request.body));
  given.retry = request.retry == Retry::never ? nullptr : &policy;
  given.head_timeout_ms = request.headTimeoutMs;
  given.idle_timeout_ms = request.idleTimeoutMs;
  const std::uint64_t number = http_.start(given);
  auto running = std::make_shared<Running>();
  running->handlers = std::move(handlers);
  running->webSocket = request.webSocket;
  running->repeatable = request.retry == Retry::idempotent || request.retry == Retry::transport ||
                        request.method == "GET" || request.method == "HEAD";
  requests_.emplace(number, std::move(running));
  return number;
}

void Session::close(std::uint64_t request, int code, std::string_view reason) {
  if (requests_.erase(request) != 0) http_.close(request, code, reason);
}

csdk_status Session::write(std::uint64_t request, std::string_view data, std::uint32_t flags) {
  if (!running(request)) return CSDK_NOT_FOUND;
  try {
    return http_.write(request, plugin::bytes(data), flags);
  } catch (const plugin::Error& error) {
    // It ended; which event says why is still to be fetched.
    if (error.status() == CSDK_NOT_FOUND) return CSDK_NOT_FOUND;
    throw;
  }
}

bool Session::until(const std::function<bool()>& done, std::int64_t deadlineNs) {
  while (!done()) {
    if (!step(deadlineNs)) return done();
  }
  return true;
}

bool Session::step(std::int64_t deadlineNs) {
  if (cleaning() && (deadlineNs == 0 || deadlineNs > cleanupUntilNs_)) deadlineNs = cleanupUntilNs_;
  csdk_http_event event{};
  for (bool told = false;;) {
    try {
      const csdk_status status = http_.next(event, deadlineNs);
      if (status == CSDK_EOF) return false;
      if (status == CSDK_OK) handle(event);
      return true;
    } catch (const plugin::Error& error) {
      // The cancellation that the clean-up follows may come only now, and comes once. A second one ends everything.
      if (!cleaning() || told || error.status() != CSDK_CANCELLED) throw;
      told = true;
    }
  }
}

Failure Session::failureOf(const csdk_http_event& event, bool repeatable) {
  Failure failure;
  failure.is(event.status, event.error_class);
  failure.message = oneLine(view(event.message), 400);
  if (failure.message.empty()) failure.message = "no answer came";
  failure.maybeApplied = !repeatable && (event.flags & CSDK_HTTP_MAYBE_APPLIED) != 0;
  failure.retryable = !failure.maybeApplied && event.status == CSDK_UNAVAILABLE;
  return failure;
}

void Session::handle(const csdk_http_event& event) {
  if (event.kind == CSDK_HTTP_TIMER) {
    if (event.request == timer_) timer_ = 0;
    return;
  }
  const auto found = requests_.find(event.request);
  if (found == requests_.end()) return;
  const std::shared_ptr<Running> running = found->second;  // a handler may close the request
  const Handlers& handlers = running->handlers;
  switch (event.kind) {
    case CSDK_HTTP_HEAD:
      if (handlers.head) {
        Answer head;
        head.status = event.status;
        for (const csdk_pair& pair : view(event.headers)) head.headers.emplace_back(view(pair.key), view(pair.value));
        handlers.head(head);
      }
      break;
    case CSDK_HTTP_DATA: handleData(event, *running); break;
    case CSDK_HTTP_WRITABLE:
      if (handlers.writable) handlers.writable();
      break;
    case CSDK_HTTP_END:
      requests_.erase(found);
      if (running->webSocket && handlers.closed) {
        handlers.closed(event.status, view(event.message));
      } else if (handlers.end) {
        handlers.end();
      }
      break;
    case CSDK_HTTP_FAILED: {
      requests_.erase(found);
      const Failure failure = failureOf(event, running->repeatable);
      if (!handlers.fail) throw failure.error();
      handlers.fail(failure);
      break;
    }
    default: break;
  }
}

void Session::handleData(const csdk_http_event& event, const Running& running) {
  const std::string_view bytes = plugin::text(event.data);
  const std::uint64_t request = event.request;
  if (running.handlers.message && running.webSocket) {
    running.handlers.message(bytes, (event.flags & CSDK_HTTP_TEXT) != 0, (event.flags & CSDK_HTTP_FINAL) != 0);
  } else if (running.handlers.data) {
    running.handlers.data(bytes);
  }
  http_.ack(request, event.data.size);
}

Answer Session::fetch(const Request& request, std::size_t maxBody) {
  Answer answer;
  bool over = false;
  std::uint64_t number = 0;
  Handlers handlers;
  handlers.head = [&](const Answer& head) { answer = head; };
  handlers.data = [&](std::string_view bytes) {
    if (answer.body.size() + bytes.size() > maxBody) {
      plugin::Error error(CSDK_UNAVAILABLE, "the answer is longer than " + std::to_string(maxBody >> 10) + " KiB");
      throw error.errorClass(CSDK_ERROR_PROTOCOL);
    }
    answer.body += bytes;
  };
  handlers.end = [&] { over = true; };
  number = start(request, std::move(handlers));
  try {
    until([&] { return over; });
  } catch (...) {
    close(number);  // its handlers look at what ends here
    throw;
  }
  return answer;
}

void Session::pause(std::int64_t ms) {
  csdk_timer_ext timers{};
  if (!call_.host().extension(CSDK_EXT_TIMER, timers))
    throw plugin::Error(CSDK_UNIMPLEMENTED, "the host has no timers");
  const csdk_status status = timers.start(call_.host().self(), call_.id(), std::max<std::int64_t>(ms, 0) * kNsPerMs,
                                          nullptr, nullptr, &timer_);
  if (status < 0) throw plugin::Error(status, "the host could not start a timer");
  until([this] { return timer_ == 0; });
}

void Session::beginCleanup(std::int64_t budgetMs) {
  cleanupUntilNs_ = call_.nowNs() + budgetMs * kNsPerMs;
  for (const auto& [number, running] : requests_) http_.close(number);
  requests_.clear();
}

}  // namespace computesdk::vendor
