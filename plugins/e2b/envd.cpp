#include "e2b/envd.hpp"

#include "common/base64.hpp"
#include "common/streams.hpp"
#include "common/text.hpp"

#include <array>
#include <utility>

namespace computesdk::e2b {
namespace {

using plugin::view;
using vendor::Answer;
using vendor::Failure;
using vendor::JsonDocument;
using vendor::JsonValue;
using vendor::Request;

struct CodeMeaning {
  std::string_view code;
  csdk_status status;
  std::uint32_t errorClass;
};
constexpr std::array kCodes = {
    CodeMeaning{"canceled", CSDK_ABORTED, CSDK_ERROR_PLAIN},
    CodeMeaning{"unknown", CSDK_UNKNOWN, CSDK_ERROR_PLAIN},
    CodeMeaning{"invalid_argument", CSDK_INVALID_ARGUMENT, CSDK_ERROR_PLAIN},
    CodeMeaning{"deadline_exceeded", CSDK_DEADLINE_EXCEEDED, CSDK_ERROR_PLAIN},
    CodeMeaning{"not_found", CSDK_NOT_FOUND, CSDK_ERROR_PLAIN},
    CodeMeaning{"already_exists", CSDK_ALREADY_EXISTS, CSDK_ERROR_PLAIN},
    CodeMeaning{"permission_denied", CSDK_PERMISSION_DENIED, CSDK_ERROR_PLAIN},
    CodeMeaning{"resource_exhausted", CSDK_RESOURCE_EXHAUSTED, CSDK_ERROR_PLAIN},
    CodeMeaning{"failed_precondition", CSDK_FAILED_PRECONDITION, CSDK_ERROR_PLAIN},
    CodeMeaning{"aborted", CSDK_ABORTED, CSDK_ERROR_PLAIN},
    CodeMeaning{"out_of_range", CSDK_OUT_OF_RANGE, CSDK_ERROR_PLAIN},
    CodeMeaning{"unimplemented", CSDK_UNIMPLEMENTED, CSDK_ERROR_PLAIN},
    CodeMeaning{"internal", CSDK_UNKNOWN, CSDK_ERROR_PLAIN},
    CodeMeaning{"unavailable", CSDK_UNAVAILABLE, CSDK_ERROR_PLAIN},
    CodeMeaning{"data_loss", CSDK_DATA_LOSS, CSDK_ERROR_PLAIN},
    CodeMeaning{"unauthenticated", CSDK_UNAUTHENTICATED, CSDK_ERROR_CREDENTIAL_REFUSED},
};

/// A Connect error names its code; other bodies (of the edge) have a number there.
void applyCode(std::string_view code, Failure& failure) {
  for (const CodeMeaning& meaning : kCodes) {
    if (meaning.code == code) failure.is(meaning.status, meaning.errorClass);
  }
  const auto says = [&](std::string_view words) { return failure.says(words); };
  // A 500 of the daemon is about what it was asked to do; the system's own words say what it was.
  if (failure.httpStatus == 500 || failure.status == CSDK_UNKNOWN) {
    failure.is(CSDK_UNKNOWN);
    failure.retryable = false;
    if (says("permission denied") || says("read-only file system")) failure.is(CSDK_PERMISSION_DENIED);
    if (says("not a directory") || says("is a directory")) failure.is(CSDK_INVALID_ARGUMENT);
    if (says("no such file")) failure.is(CSDK_NOT_FOUND);
  }
  if (says("no space left") || says("disk quota") || says("not enough disk")) {
    failure.is(CSDK_RESOURCE_EXHAUSTED, CSDK_ERROR_DISK_FULL);
  }
}

void refineEnvd(const Answer& answer, Failure& failure) {
  applyCode(failure.vendorCode, failure);
  if (answer.status == 401) {
    failure.fix = "the sandbox's token is not valid any more: look the sandbox up again (computesdk inspect)";
  }
}

}  // namespace

JsonDocument askAbout(vendor::Session& session, const vendor::Api& control, std::string_view id) {
  const Answer answer = control.send(session, control.get("/sandboxes/" + vendor::pathSegment(id)), {404});
  if (answer.status == 404) throw vendor::goneError(kTitle, id);
  JsonDocument document = control.json(answer, "inspect");
  if (document["sandboxID"].asText().value_or("") != id) {
    throw plugin::Error(CSDK_UNAVAILABLE, "E2B's answer to inspect is about another sandbox")
        .errorClass(CSDK_ERROR_PROTOCOL);
  }
  return document;
}

Envd::Envd(vendor::Session& session, const vendor::Api& control, const Settings& settings, const csdk_target& target,
           std::string_view user)
    : session_(session), control_(control), settings_(settings) {
  if (auto known = Connection::of(target)) {
    connection_ = std::move(*known);
  } else if (settings.debug) {
    connection_.id = view(target.id);
  } else {
    const JsonDocument asked = askAbout(session, control, view(target.id));
    connection_ = Connection::of(asked.root());
    session.call().token(connection_.token());
  }
  makeApi(user);
}

Envd::Envd(vendor::Session& session, const vendor::Api& control, const Settings& settings, Connection connection)
    : session_(session), control_(control), settings_(settings), connection_(std::move(connection)) {
  makeApi({});
}

void Envd::makeApi(std::string_view user) {
  vendor::Api::Settings api;
  api.title = "the sandbox's daemon";
  api.baseUrl = connection_.baseUrl(settings_);
  api.userAgent = settings_.userAgent;
  api.headers = {{"E2b-Sandbox-Id", connection_.id}, {"E2b-Sandbox-Port", "49983"}};
  if (!connection_.access.empty()) api.headers.emplace_back("X-Access-Token", connection_.access);
  // Before 0.4.0 the daemon had no user of its own choice.
  if (user.empty() && !connection_.versionAtLeast(0, 4, 0)) user = "user";
  if (!user.empty()) {
    api.headers.emplace_back("Authorization", "Basic " + vendor::base64Encode(std::string(user) + ":"));
  }
  api.hidden = {connection_.access, connection_.traffic};
  api.refine = refineEnvd;
  api_.emplace(std::move(api));
}

Request Envd::rpcRequest(std::string_view method, const JsonValue& message) const {
  Request request = api_->post("/" + std::string(method), message);
  request.headers.emplace_back("Connect-Protocol-Version", "1");
  return request;
}

Request Envd::streamRequest(std::string_view method, const JsonValue& message, std::int64_t timeoutMs) const {
  Request request = api_->request("POST", "/" + std::string(method));
  request.headers.emplace_back("Content-Type", "application/connect+json");
  request.headers.emplace_back("Connect-Protocol-Version", "1");
  request.headers.emplace_back("Keepalive-Ping-Interval", "50");
  if (timeoutMs > 0) request.headers.emplace_back("Connect-Timeout-Ms", std::to_string(timeoutMs));
  request.body = vendor::ConnectDecoder::encode(message.write());
  request.idleTimeoutMs = 0;
  return request;
}

Request Envd::fileRequest(std::string_view method, std::string_view path) const {
  Request request = api_->request(method, vendor::Query().add("path", path).on("/files"));
  // A 502 says that the sandbox does not run; asking again would not help.
  request.retry = vendor::Retry::transport;
  return request;
}

JsonDocument Envd::rpc(std::string_view method, const JsonValue& message, std::string_view alsoGood) {
  Request request = rpcRequest(method, message);
  const bool reads = method.ends_with("/Stat") || method.ends_with("/ListDir") || method.ends_with("/List");
  if (reads) request.retry = vendor::Retry::transport;
  const Answer answer = session_.fetch(request, vendor::kJsonMaxBytes);
  if (answer.ok()) return api_->json(answer, method);
  const Failure problem = failure(answer);
  if (!alsoGood.empty() && problem.vendorCode == alsoGood) return api_->json(answer, method);
  throw problem.error();
}

Failure Envd::failure(const Answer& answer) {
  if (answer.status == 502) {
    if (auto why = whyNotRunning()) return std::move(*why);
  }
  return api_->failure(session_, answer, false);
}

Failure Envd::failure(std::string_view code, std::string_view message) const {
  Failure failure;
  failure.httpStatus = 200;
  failure.vendorCode = vendor::oneLine(code, 80);
  failure.vendorText = vendor::oneLine(message, 400);
  failure.message = failure.vendorText.empty() ? "the sandbox's daemon said " + failure.vendorCode : failure.vendorText;
  return api_->explain(std::move(failure));
}

Failure Envd::broken(Failure failure) {
  try {
    if (auto why = whyNotRunning()) return std::move(*why);
  } catch (const plugin::Error& error) {
    if (error.status() == CSDK_CANCELLED) throw;
  }
  return failure;
}

std::optional<Failure> Envd::whyNotRunning() {
  if (settings_.debug) return {};
  Failure failure;
  try {
    const JsonDocument asked = askAbout(session_, control_, connection_.id);
    if (asked["state"].asText().value_or("") != "paused") return {};
    failure.is(CSDK_FAILED_PRECONDITION, CSDK_ERROR_STOPPED);
    failure.message = "the sandbox is paused";
    failure.fix = "sandbox.resume() wakes it; so does the next command that is run in it";
  } catch (const plugin::Error& error) {
    if (error.abi().error_class != CSDK_ERROR_GONE) throw;
    failure.is(CSDK_NOT_FOUND, CSDK_ERROR_GONE);
    failure.message = error.what();
  }
  return failure;
}

}  // namespace computesdk::e2b
