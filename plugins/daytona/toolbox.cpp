#include "daytona/toolbox.hpp"

#include "common/text.hpp"
#include "daytona/control.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace computesdk::daytona {
namespace {

using vendor::Answer;
using vendor::Failure;
using vendor::JsonDocument;
using vendor::Request;

struct CodeMeaning {
  std::string_view code;
  csdk_status status;
};
constexpr std::array kCodes = {
    CodeMeaning{"FILE_NOT_FOUND", CSDK_NOT_FOUND},
    CodeMeaning{"FILE_ACCESS_DENIED", CSDK_PERMISSION_DENIED},
    CodeMeaning{"INVALID_FILE_PATH", CSDK_INVALID_ARGUMENT},
    CodeMeaning{"FILE_READ_FAILED", CSDK_UNKNOWN},
    CodeMeaning{"PROCESS_NOT_FOUND", CSDK_NOT_FOUND},
    CodeMeaning{"SESSION_ENDED", CSDK_FAILED_PRECONDITION},
    CodeMeaning{"COMMAND_ALREADY_COMPLETED", CSDK_FAILED_PRECONDITION},
    CodeMeaning{"PROCESS_EXECUTION_TIMEOUT", CSDK_DEADLINE_EXCEEDED},
};

bool saysStopped(const Failure& failure) {
  return failure.says("is the sandbox started") || failure.says("sandbox is not started") ||
         failure.says("no ip address found");
}

void refineToolbox(const Answer& answer, Failure& failure) {
  const auto says = [&](std::string_view words) { return failure.says(words); };
  // A failure of the daemon is about what it was asked to do; the system's own words say what it was.
  if (answer.status == 400 || answer.status == 500) {
    if (answer.status == 500) failure.is(CSDK_UNKNOWN).retryable = false;
    if (says("permission denied") || says("read-only file system") || says("operation not permitted")) {
      failure.is(CSDK_PERMISSION_DENIED);
    }
    if (says("not a directory") || says("is a directory")) failure.is(CSDK_INVALID_ARGUMENT);
    if (says("no such file")) failure.is(CSDK_NOT_FOUND);
    if (says("file exists")) failure.is(CSDK_ALREADY_EXISTS);
  }
  for (const CodeMeaning& meaning : kCodes) {
    if (meaning.code == failure.vendorCode) failure.is(meaning.status);
  }
  if (says("no space left") || says("disk quota")) failure.is(CSDK_RESOURCE_EXHAUSTED, CSDK_ERROR_DISK_FULL);
  if (answer.status == 400 && saysStopped(failure)) failure.is(CSDK_FAILED_PRECONDITION, CSDK_ERROR_STOPPED);
  if (answer.status == 410 && failure.vendorCode.empty()) failure.is(CSDK_FAILED_PRECONDITION);
}

/// Whether it comes from the daemon, and not from what stands before it.
bool isDaemons(const Failure& failure, const Answer& answer) {
  return answer.body.find("DAYTONA_DAEMON") != std::string::npos ||
         std::any_of(kCodes.begin(), kCodes.end(),
                     [&](const CodeMeaning& one) { return one.code == failure.vendorCode; });
}

}  // namespace

Toolbox::Toolbox(vendor::Session& session, const vendor::Api& control, const Settings& settings,
                 const csdk_target& target)
    : session_(session), control_(control), settings_(settings) {
  if (auto known = Connection::of(target)) {
    connection_ = std::move(*known);
  } else {
    connection_ = Connection::of(askAbout(session, control, plugin::view(target.id)).root());
    // Older installations tell it apart.
    if (connection_.toolbox.empty()) {
      const std::string path = "/sandbox/" + vendor::pathSegment(connection_.id) + "/toolbox-proxy-url";
      const JsonDocument told = control.json(control.send(session, control.get(path)), "the toolbox's URL");
      connection_.toolbox = vendor::withoutTrailingSlash(told.root().text("url"));
    }
    session.call().token(connection_.token());
  }
  makeApi();
}

Toolbox::Toolbox(vendor::Session& session, const vendor::Api& control, const Settings& settings, Connection connection)
    : session_(session), control_(control), settings_(settings), connection_(std::move(connection)) {
  makeApi();
}

void Toolbox::makeApi() {
  vendor::Api::Settings api = apiSettings(settings_, connection_.toolbox + "/" + vendor::pathSegment(connection_.id));
  api.title = "the sandbox's daemon";
  api.refine = refineToolbox;
  api_.emplace(std::move(api));
}

Request Toolbox::request(std::string_view method, std::string_view path) const { return api_->request(method, path); }

Request Toolbox::webSocket(std::string_view path) const {
  Request request = api_->request("", path);
  request.webSocket = true;
  request.idleTimeoutMs = 0;
  request.retry = vendor::Retry::never;
  return request;
}

Answer Toolbox::send(const Request& request, std::initializer_list<int> alsoGood) {
  const Answer answer = session_.fetch(request, vendor::kJsonMaxBytes);
  if (answer.ok()) return answer;
  const bool wanted = std::find(alsoGood.begin(), alsoGood.end(), answer.status) != alsoGood.end();
  const bool changes = request.method != "GET" && request.retry == vendor::Retry::notSent;
  const Failure problem = failure(answer, changes);
  if (wanted && problem.errorClass != CSDK_ERROR_GONE && problem.errorClass != CSDK_ERROR_STOPPED) return answer;
  throw problem.error();
}

Failure Toolbox::failure(const Answer& answer, bool changes) {
  Failure told = api_->failure(session_, answer, changes);
  const bool unclear = (answer.status == 404 && !isDaemons(told, answer)) || answer.status == 502 ||
                       told.errorClass == CSDK_ERROR_STOPPED;
  if (unclear) {
    if (auto why = whyNotRunning()) return std::move(*why);
  }
  return told;
}

Failure Toolbox::broken(Failure failure) {
  try {
    if (auto why = whyNotRunning()) return std::move(*why);
  } catch (const plugin::Error& error) {
    if (error.status() == CSDK_CANCELLED) throw;
  }
  return failure;
}

std::optional<Failure> Toolbox::whyNotRunning() {
  const auto sandbox = lookFor(session_, control_, connection_.id);
  Failure failure;
  if (!sandbox) {
    failure.is(CSDK_NOT_FOUND, CSDK_ERROR_GONE);
    failure.message = "Daytona has no sandbox " + vendor::oneLine(connection_.id, 80);
    return failure;
  }
  const std::string_view state = sandbox->root().textOr("state");
  if (state == "started" || state == "snapshotting" || state == "resizing") return {};
  failure.is(CSDK_FAILED_PRECONDITION, CSDK_ERROR_STOPPED);
  failure.message = "the sandbox is " + vendor::oneLine(state, 40);
  failure.fix = "sandbox.resume() starts it again; so does the next command that is run in it";
  return failure;
}

}  // namespace computesdk::daytona
