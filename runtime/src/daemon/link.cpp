#include "daemon/link.hpp"

#include <computesdk/sandbox.hpp>

#include "core/errors.hpp"
#include "daemon/ensure.hpp"

#include <utility>

namespace computesdk {
namespace detail {
namespace {

std::string socketTarget() { return "/ws?protocol=json"; }

std::optional<ErrorCode> codeOfWire(std::string_view wire) {
  for (const ErrorCode code : allErrorCodes()) {
    if (wireName(code) == wire) return code;
  }
  return std::nullopt;
}

ErrorCode codeOfStatus(int status) {
  switch (status) {
    case 400: return ErrorCode::invalidArgument;
    case 401: return ErrorCode::authRejected;
    case 403: return ErrorCode::forbidden;
    case 404: return ErrorCode::notFound;
    case 408:
    case 504: return ErrorCode::timeout;
    case 409: return ErrorCode::conflict;
    case 413: return ErrorCode::outOfRange;
    case 429: return ErrorCode::rateLimited;
    case 502:
    case 503: return ErrorCode::unavailable;
    default: return status >= 500 ? ErrorCode::internal : ErrorCode::unknown;
  }
}

}  // namespace

ErrorInfo daemonFailure(const SandboxState& sandbox, const std::string& what, const HttpAnswer& answer) {
  ErrorInfo error;
  error.what = what;
  error.provider = sandbox.provider().name();
  error.sandboxId = sandbox.id();
  error.vendorHttpStatus = answer.status;
  error.code = codeOfStatus(answer.status);
  if (const auto body = JsonDocument::parse(answer.body)) {
    const JsonView root = body->root();
    error.why = root.textOr("why").empty() ? root.textOr("error") : root.textOr("error") + ": " + root.textOr("why");
    error.fix = root.textOr("fix");
    error.retryable = root["retryable"].booleanOr(false);
    error.retryAfter = std::chrono::milliseconds(root["retry_after_ms"].integerOr(0));
    if (const auto code = codeOfWire(root["code"].text())) error.code = *code;
  }
  if (error.why.empty()) error.why = "the sandbox's daemon answered HTTP " + std::to_string(answer.status);
  if (answer.status == 403 && error.why.find("Access token required") == std::string::npos) {
    error.why.insert(0, "Access token required: ");
  }
  return error;
}

DaemonLink::DaemonLink(SandboxState& sandbox) : sandbox_(sandbox) {
  auto open = [this](const SocketEvents& events, const std::stop_token& stop) {
    return this->open(events, stop, true);
  };
  auto again = [this](const SocketEvents& events, const std::stop_token& stop) {
    return this->open(events, stop, false);
  };
  auto warn = [&sandbox, setup = &sandbox.setup()](const std::string& text) {
    setup->log(LogLevel::warning, sandbox.provider().name(), text);
  };
  socket_ = std::make_unique<MessageSocket>(std::move(open), std::move(again), std::move(warn));
}

Result<std::shared_ptr<Transport>> DaemonLink::transportTo(const DaemonAddress& address, const std::stop_token& stop) {
  if (address.url.empty() && sandbox_.features().port) {
    return std::shared_ptr<Transport>(dialTransport(sandbox_, address.port, address.token));
  }
  if (!address.url.empty()) {
    return std::shared_ptr<Transport>(urlTransport(sandbox_, address.url, {}, address.token));
  }
  if (!sandbox_.features().url) {
    return methodUnsupported(sandbox_.provider().name(), "terminals, servers and watchers",
                             "it gives no way to reach a port of its sandboxes");
  }
  auto url = sandbox_.call(stop, deadlineIn(kControlTime),
                           [&](const registry::Target& target, const registry::CallContext& c) {
                             return sandbox_.provider().url(target, address.port, "", c);
                           });
  if (!url) {
    ErrorInfo error = std::move(url).error();
    if (error.fix.empty()) {
      error.fix = "where ports are named at create, name " + std::to_string(address.port) + " there too";
    }
    return error;
  }
  return std::shared_ptr<Transport>(urlTransport(sandbox_, url->url, url->headers, address.token));
}

Result<DaemonLink::Reached> DaemonLink::reach(const DaemonOptions& options) {
  const auto known = [this]() -> std::optional<Reached> {
    std::lock_guard lock(mutex_);
    return reached_;
  };
  if (auto found = known()) return *found;
  std::lock_guard one(starting_);
  if (auto found = known()) return *found;
  auto address = ensureDaemon(sandbox_, options);
  if (!address) return std::move(address).error();
  auto transport = transportTo(*address, options.stop);
  if (!transport) return std::move(transport).error();
  Reached reached{std::move(*address), std::move(*transport)};
  std::lock_guard lock(mutex_);
  reached_ = reached;
  reached_->address.started = false;
  return reached;
}

Result<DaemonAddress> DaemonLink::ensure(const DaemonOptions& options) {
  auto reached = reach(options);
  if (!reached) return std::move(reached).error();
  return std::move(reached->address);
}

void DaemonLink::forget() noexcept {
  std::lock_guard lock(mutex_);
  reached_.reset();
}

Result<HttpAnswer> DaemonLink::send(const DaemonCall& call) {
  HttpRequest request;
  request.method = call.method;
  request.target = call.target;
  request.body = call.body;
  request.timeout = call.timeout;
  DaemonOptions options;
  options.stop = call.stop;
  for (bool again = false;; again = true) {
    auto reached = reach(options);
    if (!reached) return std::move(reached).error();
    auto answer = reached->transport->send(request, call.stop);
    if (answer) return answer;
    ErrorInfo error = std::move(answer).error();
    const bool nobodyThere = error.code == ErrorCode::unavailable && !error.maybeApplied;
    if (nobodyThere) forget();
    if (!nobodyThere || again) {
      if (error.sandboxId.empty()) error.sandboxId = sandbox_.id();
      return error;
    }
  }
}

Result<std::optional<JsonDocument>> DaemonLink::ask(const DaemonCall& call) {
  auto answer = send(call);
  if (!answer) return std::move(answer).error();
  if (answer->status < 200 || answer->status > 299) return daemonFailure(sandbox_, call.what, *answer);
  if (answer->body.empty()) return std::optional<JsonDocument>();
  auto document = JsonDocument::parse(answer->body);
  if (document) return document;
  ErrorInfo error = daemonFailure(sandbox_, call.what, *answer);
  error.code = ErrorCode::protocol;
  error.why = "the answer of the sandbox's daemon is no JSON";
  return error;
}

Result<std::unique_ptr<Socket>> DaemonLink::open(const SocketEvents& events, const std::stop_token& stop, bool start) {
  std::optional<Reached> reached;
  {
    std::lock_guard lock(mutex_);
    reached = reached_;
  }
  if (!reached && !start) {
    ErrorInfo error;
    error.code = ErrorCode::unavailable;
    error.what = "cannot speak to the sandbox's daemon";
    error.why = "it has ended";
    return error;
  }
  for (bool again = false;; again = true) {
    if (!reached) {
      DaemonOptions options;
      options.stop = stop;
      auto found = reach(options);
      if (!found) return std::move(found).error();
      reached = std::move(*found);
    }
    auto socket = reached->transport->open(socketTarget(), events, stop);
    if (socket || !start || again || socket.error().code != ErrorCode::unavailable) return socket;
    forget();
    reached.reset();
  }
}

}  // namespace detail

Result<DaemonAddress> Daemon::ensure(Nothrow, const DaemonOptions& options) { return state_->daemon().ensure(options); }
void Daemon::forget() noexcept {
  try {
    state_->daemon().forget();
  } catch (...) {  // no memory to make the link: then nothing is remembered
  }
}

Daemon Sandbox::daemon() const { return Daemon(state_); }

}  // namespace computesdk
