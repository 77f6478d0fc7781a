#include <computesdk/registry/http_exchange.hpp>

#include "core/errors.hpp"
#include "daemon/transport.hpp"

#include <condition_variable>
#include <mutex>
#include <optional>

namespace computesdk::detail {
namespace {

/// What the network module tells of one request, for the thread that waits for it. Shared by both.
struct Exchange {
  std::mutex mutex;
  std::condition_variable_any changed;
  int status = 0;
  std::string body;
  std::string message;  ///< text of a WebSocket whose end has not come
  bool closed = false;
  bool closing = false;
  std::string problem;
  bool sent = true;
  SocketEvents events;
};

ErrorInfo urlError(const Exchange& exchange) {
  ErrorInfo error;
  error.code = exchange.sent ? ErrorCode::network : ErrorCode::unavailable;
  error.maybeApplied = exchange.sent;
  error.what = "cannot speak to the sandbox's daemon";
  error.why = exchange.problem.empty() ? "the connection has ended" : exchange.problem;
  return error;
}

class UrlSocket final : public Socket {
 public:
  UrlSocket(std::shared_ptr<Exchange> shared, std::unique_ptr<registry::HttpExchange> exchange)
      : shared_(std::move(shared)), exchange_(std::move(exchange)) {}
  ~UrlSocket() override { close(); }
  UrlSocket(const UrlSocket&) = delete;
  UrlSocket& operator=(const UrlSocket&) = delete;

  bool send(std::string_view text) override { return exchange_->send(text); }
  void consumed(std::size_t bytes) override { exchange_->acknowledge(bytes); }
  void close() noexcept override {
    {
      // Events run under the lock, so that none does once this has it.
      std::lock_guard lock(shared_->mutex);
      shared_->closing = true;
    }
    exchange_->close();
  }

 private:
  const std::shared_ptr<Exchange> shared_;
  const std::unique_ptr<registry::HttpExchange> exchange_;
};

registry::HttpExchangeEvents eventsInto(const std::shared_ptr<Exchange>& shared) {
  registry::HttpExchangeEvents events;
  events.onHead = [shared](int status) {
    std::lock_guard lock(shared->mutex);
    shared->status = status;
    shared->changed.notify_all();
  };
  events.onData = [shared](std::string_view data, bool last) {
    std::lock_guard lock(shared->mutex);
    shared->changed.notify_all();
    if (shared->status != 101) {
      if (shared->body.size() + data.size() > ResponseParser::kMaxBody) shared->problem = "the answer is too large";
      if (shared->problem.empty()) shared->body.append(data);
    } else if (shared->message.size() + data.size() <= ResponseParser::kMaxBody) {
      shared->message.append(data);
      if (!last) return;
      if (!shared->closing && shared->events.onText) shared->events.onText(shared->message);
      shared->message.clear();
    }
  };
  events.onClosed = [shared](std::string problem, bool sent) {
    std::lock_guard lock(shared->mutex);
    shared->closed = true;
    shared->sent = sent;
    if (!problem.empty()) shared->problem = std::move(problem);
    shared->changed.notify_all();
    if (shared->status == 101 && !shared->closing && shared->events.onClosed) shared->events.onClosed(shared->problem);
  };
  return events;
}

class UrlTransport final : public Transport {
 public:
  UrlTransport(std::string url, StringMap headers, const std::string& token, registry::Environment environment)
      : url_(std::move(url)), headers_(std::move(headers)), environment_(std::move(environment)) {
    while (url_.ends_with('/')) url_.pop_back();
    if (!token.empty()) headers_.insert_or_assign("Authorization", "Bearer " + token);
  }

  Result<HttpAnswer> send(const HttpRequest& request, const std::stop_token& stop) override {
    auto shared = std::make_shared<Exchange>();
    registry::HttpExchangeRequest out = base(request.target);
    out.method = request.method;
    out.body = request.body;
    if (!request.body.empty()) out.headers.insert_or_assign("Content-Type", "application/json");
    out.headTimeout = request.timeout.value_or(std::chrono::hours(24));
    auto exchange = registry::startHttpExchange(out, eventsInto(shared), environment_);
    if (!exchange) return std::move(exchange).error();
    std::unique_lock lock(shared->mutex);
    const auto until = std::chrono::steady_clock::now() + request.timeout.value_or(std::chrono::hours(24));
    std::size_t acknowledged = 0;
    while (!shared->closed) {
      const auto news = [&] { return shared->closed || shared->body.size() > acknowledged; };
      if (!shared->changed.wait_until(lock, stop, until, news)) {
        if (stop.stop_requested()) return cancelled("cannot speak to the sandbox's daemon");
        shared->problem = "it did not answer in time";
        ErrorInfo error = urlError(*shared);
        error.code = ErrorCode::timeout;
        return error;
      }
      // The body is kept whole, so it is never held back.
      (*exchange)->acknowledge(shared->body.size() - acknowledged);
      acknowledged = shared->body.size();
    }
    if (!shared->problem.empty()) return urlError(*shared);
    return HttpAnswer{shared->status, std::move(shared->body)};
  }

  Result<std::unique_ptr<Socket>> open(const std::string& target, SocketEvents events,
                                       const std::stop_token& stop) override {
    auto shared = std::make_shared<Exchange>();
    shared->events = std::move(events);
    registry::HttpExchangeRequest out = base(target);
    out.url.replace(0, 4, "ws");
    out.webSocket = true;
    auto started = registry::startHttpExchange(out, eventsInto(shared), environment_);
    if (!started) return std::move(started).error();
    auto socket = std::make_unique<UrlSocket>(shared, std::move(*started));
    std::unique_lock lock(shared->mutex);
    shared->changed.wait(lock, stop, [&] { return shared->closed || shared->status != 0; });
    if (shared->status == 101) {
      lock.unlock();
      return std::unique_ptr<Socket>(std::move(socket));
    }
    shared->closing = true;
    ErrorInfo error = stop.stop_requested() ? cancelled("cannot open a WebSocket to the daemon")
                      : shared->status != 0 ? upgradeRefused(shared->status)
                                            : urlError(*shared);
    lock.unlock();
    return error;
  }

 private:
  [[nodiscard]] registry::HttpExchangeRequest base(const std::string& target) const {
    registry::HttpExchangeRequest out;
    out.url = url_ + target;
    out.headers = headers_;
    return out;
  }

  std::string url_;
  StringMap headers_;
  const registry::Environment environment_;
};

}  // namespace

std::unique_ptr<Transport> urlTransport(SandboxState& sandbox, std::string url, StringMap headers,
                                        const std::string& token) {
  registry::Environment environment = registry::processEnvironment();
  if (const auto& get = sandbox.setup().config().environment; get) {
    environment.get = [get](std::string_view name) { return get(name); };
  }
  return std::make_unique<UrlTransport>(std::move(url), std::move(headers), token, std::move(environment));
}

}  // namespace computesdk::detail
