#include "common/api.hpp"

#include <algorithm>

namespace computesdk::vendor {

Request Api::request(std::string_view method, std::string_view path) const {
  Request request;
  request.method = method;
  request.url = path.starts_with('/') ? settings_.baseUrl + std::string(path) : std::string(path);
  request.headers = settings_.headers;
  if (!settings_.userAgent.empty()) request.headers.emplace_back("User-Agent", settings_.userAgent);
  request.secretHeaders = settings_.secretHeaders;
  const bool repeatable = method == "GET" || method == "HEAD" || method == "DELETE";
  request.retry = repeatable ? Retry::idempotent : Retry::notSent;
  return request;
}

Request Api::withBody(std::string_view method, std::string_view path, const JsonValue& body) const {
  Request made = request(method, path);
  made.headers.emplace_back("Content-Type", "application/json");
  made.body = body.write();
  return made;
}

Answer Api::send(Session& session, const Request& request) const { return send(session, request, {}); }

Answer Api::send(Session& session, const Request& request, std::initializer_list<int> alsoGood) const {
  Answer answer = session.fetch(request, kJsonMaxBytes);
  if (answer.ok() || std::find(alsoGood.begin(), alsoGood.end(), answer.status) != alsoGood.end()) return answer;
  const bool changes = request.method != "GET" && (request.retry == Retry::notSent || request.retry == Retry::never);
  throw failure(session, answer, changes).error();
}

JsonDocument Api::json(const Answer& answer, std::string_view operation) const {
  return JsonDocument::parse(answer.body, settings_.title + "'s answer to " + std::string(operation));
}

Failure Api::failure(const Session& session, const Answer& answer, bool changes) const {
  const plugin::Host& host = session.call().host();
  Failure failure = failureOf(settings_.title, answer, host.table().now_wall_ms(host.self()));
  failure.maybeApplied = changes && (answer.status == 500 || answer.status == 502 || answer.status == 504);
  if (settings_.refine) settings_.refine(answer, failure);
  const bool keyProblem = failure.errorClass == CSDK_ERROR_CREDENTIAL_REFUSED || answer.status == 403;
  if (keyProblem && failure.fix.empty()) failure.fix = settings_.keyFix;
  hide(failure, settings_.hidden);
  return failure;
}

Failure Api::explain(Failure failure) const {
  if (settings_.refine) settings_.refine(Answer{}, failure);
  hide(failure, settings_.hidden);
  return failure;
}

}  // namespace computesdk::vendor
