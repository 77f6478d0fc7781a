#include "connection.hpp"
#include "owed.hpp"

#include <algorithm>
#include <exception>
#include <limits>

namespace computesdk::serving {
namespace {

/// An early answer waits for a body of this size, so that the connection can go on.
constexpr std::uint64_t kSmallBody = 256u << 10;

/// "http://host/path" as "/path"; false when a target has no form that this server knows.
bool normaliseTarget(Request& request) {
  std::string_view target = request.target;
  const std::size_t scheme = target.find("://");
  if (!target.empty() && target.front() != '/' && scheme != std::string_view::npos && target.find('/') == scheme + 1) {
    const std::size_t slash = target.find_first_of("/?", scheme + 3);
    const std::string authority(target.substr(scheme + 3, slash - scheme - 3));
    if (authority.empty()) return false;
    request.headers.set("Host", authority);
    const std::string rest(slash == std::string_view::npos ? std::string_view("/") : target.substr(slash));
    request.target = rest.front() == '?' ? "/" + rest : rest;
    target = request.target;
  }
  if (target == "*" && request.method == "OPTIONS") target = request.target = "/*";
  if (target.empty() || target.front() != '/') return false;
  const std::size_t question = target.find('?');
  request.path = target.substr(0, question);
  request.query = question == std::string_view::npos ? "" : target.substr(question + 1);
  return request.path.find('#') == std::string::npos;
}

/// Clients may name their request, but not write into the log with it.
bool saneId(std::string_view id) {
  if (id.empty() || id.size() > 64) return false;
  for (const char c : id) {
    const bool fine = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
                      c == '_' || c == '.' || c == ':';
    if (!fine) return false;
  }
  return true;
}

}  // namespace

/// Takes the head into request_. Why it is refused, or "".
std::string Connection::checkHead() {
  MessageHead& head = parser_->head();
  request_ = {};
  request_.method = std::move(head.method);
  request_.target = std::move(head.target);
  request_.headers = std::move(head.headers);
  request_.peer = origin_.peer;
  request_.port = origin_.port;
  request_.secure = origin_.secure;
  const std::string_view id = request_.header("X-Request-Id");
  request_.id = saneId(id) ? std::string(id) : server_->newRequestId();
  const std::size_t hosts = request_.headers.count("Host");
  if (hosts > 1 || (hosts == 0 && head.version >= 11)) return "it must have one Host";
  if (request_.method == "CONNECT" || !normaliseTarget(request_)) return "its target is not a path";
  return "";
}

void Connection::headDone() {
  const MessageHead& head = parser_->head();
  http10_ = head.version < 11;
  keepAlive_ = head.keepAlive && !server_->stopping();
  chunked_ = false;
  streamed_ = tooBig_ = starved_ = continueOwed_ = false;
  early_.reset();
  left_.reset();
  route_ = nullptr;
  router_ = nullptr;
  bodyBytes_ = answerBytes_ = 0;
  status_ = 0;
  bodyPart_.clear();
  hasBody_ = head.chunked || head.contentLength.value_or(0) > 0;
  const std::string complaint = checkHead();
  bare_ = request_.method == "HEAD";
  upgrade_ = request_.wantsUpgrade() && !hasBody_;
  if (!complaint.empty()) return refuse(400, "bad_request", "This is not an HTTP request: " + complaint + ".");
  answer_ = Answer::owed;
  route();
  applyLimits();
}

/// Finds who answers, and runs the hooks.
void Connection::route() {
  const ServerOptions& options = server_->options;
  if (options.collapseLeadingSlashes) {
    while (request_.path.size() > 1 && request_.path[1] == '/') request_.path.erase(0, 1);
  }
  router_ = &server_->routerFor(request_);
  Router::Match match = router_->match(request_.method, request_.path);
  route_ = match.route;
  if (route_ != nullptr) request_.route = route_->pattern;
  request_.captures = std::move(match.captures);
  if (options.cors && request_.method == "OPTIONS" && route_ == nullptr) return answerEarly(Response::noContent());
  if (match.badEncoding) {
    return answerEarly(
        server_->errorBody(400, "bad_request", "The path has a '%' that two hexadecimal digits do not follow."));
  }
  if (route_ == nullptr && !match.allow.empty()) {
    const std::string text = "The method " + request_.method + " is not for this path; it takes " + match.allow + ".";
    return answerEarly(server_->errorBody(405, "method_not_allowed", text).with("Allow", match.allow));
  }
  if (route_ == nullptr && !router_->fallbackHandler()) {
    return answerEarly(server_->errorBody(404, "not_found", "There is nothing at " + request_.path + "."));
  }
  if (route_ != nullptr && !route_->hooks) return;
  try {
    for (const Hook& hook : router_->hooks()) {
      if (std::optional<Response> answer = hook(request_)) return answerEarly(std::move(*answer));
    }
  } catch (const std::exception&) {
    answerEarly(server_->errorBody(500, "internal", "The server failed on this request."));
  }
}

/// A body that is passed on piece by piece is held nowhere, so nothing but its route limits it.
std::uint64_t Connection::mostBody() const {
  if (route_ != nullptr && route_->maxBody) return *route_->maxBody;
  if (route_ != nullptr && route_->streamsBody) return std::numeric_limits<std::uint64_t>::max();
  return server_->options.bodyLimit;
}

/// Decides what becomes of the body.
void Connection::applyLimits() {
  const MessageHead& head = parser_->head();
  const bool continues = !http10_ && hasBody_ && request_.headers.hasToken("Expect", "100-continue");
  streamed_ = !early_ && route_ != nullptr && route_->streamsBody && route_->asyncHandler;
  bodyLimit_ = mostBody();
  // One that would never find room is too long.
  if (!streamed_ && server_->options.bodyBudget > 0) bodyLimit_ = std::min(bodyLimit_, server_->options.bodyBudget);
  if (early_) {
    if (hasBody_ && (continues || head.chunked || *head.contentLength > kSmallBody)) {
      respond(std::move(*std::exchange(early_, std::nullopt)));
    }
    return;
  }
  if (request_.headers.has("Expect") && !request_.headers.hasToken("Expect", "100-continue")) {
    return refuse(417, "expectation_failed", "The only expectation that is met is 100-continue.");
  }
  if (head.contentLength.value_or(0) > bodyLimit_) {
    return refuse(413, "body_too_large",
                  "The body is longer than the " + std::to_string(bodyLimit_) + " bytes taken here.");
  }
  if (streamed_ && hasBody_) {
    continueOwed_ = continues;
    dispatch();
    return;
  }
  if (continues) enqueue("HTTP/1.1 100 Continue\r\n\r\n");
  if (head.contentLength) request_.body.reserve(std::min<std::uint64_t>(*head.contentLength, 1u << 20));
}

/// Calls whoever answers.
void Connection::dispatch() {
  if (early_) return respond(std::move(*std::exchange(early_, std::nullopt)));
  try {
    if (route_ == nullptr) {
      const Route fallback{
          .method = {}, .pattern = {}, .maxBody = {}, .handler = {}, .asyncHandler = router_->fallbackHandler()};
      return callHandler(fallback);
    }
    if (!route_->handler || route_->blocking) return callHandler(*route_);
    Response answer = route_->handler(request_);
    dropBody();  // the client may take the answer slowly
    respond(std::move(answer));
  } catch (const std::exception&) {
    refuse(500, "internal", "The server failed on this request.");
  }
}

namespace {

/// A request on its way to the worker pool.
struct Job {
  Request request;
  Reply reply;
  const Route* route;
  Router* router;
  std::shared_ptr<Server::Core> server;

  void run() {
    Reply answer = std::move(reply);
    try {
      if (route->hooks) {
        for (const Hook& hook : router->blockingHooks()) {
          if (std::optional<Response> early = hook(request)) {
            answer.send(std::move(*early));
            return;
          }
        }
      }
      if (route->handler) {
        answer.send(route->handler(request));
      } else {
        route->asyncHandler(std::move(request), answer);
      }
    } catch (const std::exception&) {
      answer.send(server->errorBody(500, "internal", "The server failed on this request."));
    }
  }
};

/// What is needed of a request once its handler has it.
Request summaryOf(const Request& request) {
  Request out;
  out.method = request.method;
  out.target = request.target;
  out.path = request.path;
  out.peer = request.peer;
  out.port = request.port;
  out.secure = request.secure;
  out.id = request.id;
  out.route = request.route;
  for (const char* name : {"Host", "Origin"}) {
    if (const std::string* value = request.headers.find(name)) out.headers.add(name, *value);
  }
  return out;
}

}  // namespace

void Connection::callHandler(const Route& route) {
  auto owed = std::make_shared<Reply::Owed>(shared_from_this(), server_->loop, number_, streamed_);
  Request summary = summaryOf(request_);
  if (upgrade_) {
    owed->upgrade = summary;
    owed->upgrade->headers = request_.headers;
  }
  Request request = std::exchange(request_, std::move(summary));
  Reply reply(std::move(owed));
  if (!route.blocking) return route.asyncHandler(std::move(request), std::move(reply));
  auto job = std::make_shared<Job>(Job{std::move(request), reply, &route, router_, server_});
  if (!server_->workers.add([job] { job->run(); })) {
    reply.send(server_->errorBody(503, "overloaded", "The server has too much to do; try again in a second.")
                   .with("Retry-After", "1"));
  }
}

/// Answers a request that cannot be served, and closes after it.
void Connection::refuse(int status, std::string_view code, std::string_view sentence) {
  server_->refusals.add();
  keepAlive_ = false;
  early_.reset();
  dropBody();
  if (bodyReader_) {
    const auto reader = std::exchange(bodyReader_, nullptr);
    server_->loop.post([reader] { reader(std::make_error_code(std::errc::connection_aborted), {}); });
  }
  if (answer_ == Answer::begun) return closeNow();
  if (input_ == Input::head) {
    // There is no request yet: what the last one left must not be logged again.
    request_ = {};
    request_.peer = origin_.peer;
    request_.id = server_->newRequestId();
    route_ = nullptr;
    bare_ = upgrade_ = streamed_ = http10_ = false;
    bodyBytes_ = answerBytes_ = 0;
  }
  answer_ = Answer::owed;
  respond(server_->errorBody(status, code, sentence));
}

}  // namespace computesdk::serving
