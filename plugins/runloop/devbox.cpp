#include "runloop/devbox.hpp"

#include "common/text.hpp"
#include "common/token.hpp"

#include <algorithm>
#include <array>
#include <unordered_set>

namespace computesdk::runloop {
namespace {

using plugin::Error;
using plugin::view;
using vendor::Answer;
using vendor::Json;
using vendor::JsonDocument;
using vendor::JsonValue;

constexpr std::size_t kPages = 10000;
constexpr std::array<std::string_view, 9> kAlive = {
    "running", "suspended", "queued", "provisioning", "scheduled", "initializing", "suspending", "resuming", "failure"};

/// The items of a page. One that holds none is no list, not even an empty one.
Json listed(Json page, std::string_view name) {
  const Json items = page[name];
  if (items.isArray()) return items;
  throw Error(CSDK_UNAVAILABLE, "Runloop's answer to list holds no " + std::string(name))
      .errorClass(CSDK_ERROR_PROTOCOL);
}

bool isOver(Json box) { return box.text("status") == "shutdown"; }

/// The end by the clock that is known: keep_alive, which starts it again, leaves no trace.
std::int64_t expiryOf(Json box) {
  const std::int64_t seconds = box["launch_parameters"].integerOr("keep_alive_time_seconds", 0);
  std::int64_t since = box.integerOr("create_time_ms", 0);
  bool suspended = false;
  for (const Json transition : box["state_transitions"].items()) {
    const std::string_view status = transition.textOr("status");
    if (status == "suspended") suspended = true;
    if (status == "running" && suspended) since = transition.integerOr("transition_time_ms", since);
  }
  return seconds > 0 && since > 0 && seconds < INT64_MAX / 2000 ? since + seconds * 1000 : 0;
}

std::string withoutSecrets(Json box) {
  JsonValue native = JsonValue::of(box);
  if (box["tunnel"]) native.at("tunnel").erase("auth_token");
  return native.write();
}

}  // namespace

Memory Memory::of(csdk_bytes token) {
  Memory memory;
  if (const auto parsed = vendor::SandboxToken::parse(token)) {
    memory.directory = parsed->get("dir");
    memory.tunnelKey = parsed->get("tunnel");
    memory.tunnelToken = parsed->get("auth");
  }
  return memory;
}

Memory Memory::with(Json view) const {
  Memory memory = *this;
  memory.tunnelKey = view["tunnel"].textOr("tunnel_key");
  memory.tunnelToken = view["tunnel"].textOr("auth_token");
  return memory;
}

std::string Memory::token() const {
  vendor::SandboxToken token;
  return token.set("dir", directory).set("tunnel", tunnelKey).set("auth", tunnelToken).write();
}

Devbox::Devbox(vendor::Session& session, const vendor::Api& api, const csdk_target& target)
    : session_(session), api_(api), id_(view(target.id)), memory_(Memory::of(target.token)) {}

std::string Devbox::path(std::string_view operation) const {
  std::string path = "/v1/devboxes/" + vendor::pathSegment(id_);
  if (!operation.empty()) path.append("/").append(operation);
  return path;
}

vendor::Request Devbox::repeatable(std::string_view operation, const JsonValue& body) const {
  vendor::Request request = api_.post(path(operation), body);
  request.retry = vendor::Retry::idempotent;
  return request;
}

Answer Devbox::send(const vendor::Request& request, std::initializer_list<int> alsoGood) const {
  Answer answer = session_.fetch(request, vendor::kJsonMaxBytes);
  if (answer.ok() || std::find(alsoGood.begin(), alsoGood.end(), answer.status) != alsoGood.end()) return answer;
  throw explain(answer, request.retry != vendor::Retry::idempotent);
}

Error Devbox::explain(const Answer& answer, bool changes) const {
  const vendor::Failure failure = api_.failure(session_, answer, changes);
  const bool unclear =
      answer.status == 404 || answer.status == 409 || (answer.status == 400 && failure.says("running"));
  if (!unclear) return failure.error();
  const Answer asked = session_.fetch(api_.get(path()));
  if (asked.status == 404) return vendor::goneError(kTitle, id_);
  if (!asked.ok()) return failure.error();
  const JsonDocument box = api_.json(asked, "inspect");
  const std::uint32_t status = statusOf(box.root().text("status"));
  if (isOver(box.root())) return vendor::goneError(kTitle, id_);
  if (status == CSDK_SANDBOX_STOPPED || status == CSDK_SANDBOX_ERROR) {
    vendor::Failure told = failure;
    told.is(CSDK_FAILED_PRECONDITION, CSDK_ERROR_STOPPED);
    if (status == CSDK_SANDBOX_STOPPED) told.fix = "resume it first";
    return told.error();
  }
  return failure.error();
}

JsonDocument Devbox::look() const {
  const Answer answer = api_.send(session_, api_.get(path()), {404});
  if (answer.status == 404) throw vendor::goneError(kTitle, id_);
  JsonDocument box = api_.json(answer, "inspect");
  if (box.root().text("id") != id_) {
    throw Error(CSDK_UNAVAILABLE, "Runloop's answer is about another devbox").errorClass(CSDK_ERROR_PROTOCOL);
  }
  if (isOver(box.root())) throw vendor::goneError(kTitle, id_);
  return box;
}

JsonDocument Devbox::waitFor(std::initializer_list<std::string_view> states) const {
  JsonValue statuses = JsonValue::array();
  for (const std::string_view state : states) statuses.push(state);
  JsonValue body = JsonValue::object();
  body.set("statuses", statuses.push("failure").push("shutdown"));
  const vendor::Request request = repeatable("wait_for_status", body);
  for (;;) {
    const Answer answer = api_.send(session_, request, {404, 408});  // 408: not yet, ask again
    if (answer.status == 404) throw vendor::goneError(kTitle, id_);
    if (!answer.ok()) continue;
    JsonDocument box = api_.json(answer, "wait_for_status");
    const std::string_view status = box.root().text("status");
    if (std::find(states.begin(), states.end(), status) != states.end()) return box;
    if (isOver(box.root())) {
      const std::string why = vendor::oneLine(box.root().textOr("shutdown_reason", "no reason was given"), 80);
      throw Error(CSDK_UNAVAILABLE, "the Runloop devbox " + vendor::oneLine(id_, 80) + " was shut down: " + why)
          .errorClass(CSDK_ERROR_GONE);
    }
    if (status == "failure") {
      const std::string why = vendor::oneLine(box.root().textOr("failure_reason", "no reason was given"), 80);
      throw Error(CSDK_UNAVAILABLE, "the Runloop devbox " + vendor::oneLine(id_, 80) + " failed: " + why);
    }
  }
}

void Devbox::emit(Json view) const {
  vendor::SandboxResult result = resultOf(view);
  const Memory now = memory_.with(view);
  result.token = now.token();
  result.workingDirectory = now.directory;
  result.nativeJson = withoutSecrets(view);
  result.emit(call());
}

std::uint32_t statusOf(std::string_view status) {
  if (status == "running") return CSDK_SANDBOX_RUNNING;
  if (status == "suspended" || status == "suspending" || status == "shutdown") return CSDK_SANDBOX_STOPPED;
  if (status == "failure") return CSDK_SANDBOX_ERROR;
  for (const std::string_view one : {"scheduled", "queued", "provisioning", "initializing", "resuming"}) {
    if (status == one) return CSDK_SANDBOX_STARTING;
  }
  return CSDK_SANDBOX_UNKNOWN;
}

vendor::SandboxResult resultOf(Json view) {
  vendor::SandboxResult result;
  result.id = view.text("id");
  result.name = view.textOr("name");
  result.status = statusOf(view.text("status"));
  result.createdMs = view.integerOr("create_time_ms", 0);
  if (result.status == CSDK_SANDBOX_RUNNING || result.status == CSDK_SANDBOX_STARTING) {
    result.expiresMs = expiryOf(view);
  }
  result.templateId = view.textOr("blueprint_id", view.textOr("snapshot_id"));
  result.isolation = "virtual machine";
  result.limits = {{"memory", "hard"}, {"cpu", "hard"}, {"disk", "hard"}};
  for (const auto& [key, value] : view["metadata"].members()) {
    if (key != kCreateLabel) result.metadata.emplace_back(key, value.asText().value_or(""));
  }
  return result;
}

bool listPages(vendor::Session& session, const vendor::Api& api, std::string_view path, std::string_view query,
               std::string_view name, const std::function<bool(Json)>& each) {
  std::unordered_set<std::string> seen;
  std::string after;
  for (;;) {
    std::string url = std::string(path) + "?limit=100";
    if (!query.empty()) url.append("&").append(query);
    if (!after.empty()) url += "&starting_after=" + vendor::percentEncode(after);
    const JsonDocument page = api.json(api.send(session, api.get(url)), "list");
    std::string last;
    for (const Json item : listed(page.root(), name).items()) {
      last = item.text("id");
      if (!each(item)) return false;
    }
    if (!page.root().booleanOr("has_more", false) || last.empty()) return true;
    // A service that gives the same page again would keep us here for ever.
    if (!seen.insert(last).second || seen.size() > kPages) {
      throw Error(CSDK_UNAVAILABLE, "Runloop's list does not come to an end").errorClass(CSDK_ERROR_PROTOCOL);
    }
    after = last;
  }
}

// The list holds those that are over, for ever: of an account with a history only those of each living state are asked
// for, and the first page shows whether it is one.
void listAlive(vendor::Session& session, const vendor::Api& api, const std::function<bool(Json)>& each) {
  const JsonDocument first =
      api.json(api.send(session, api.get("/v1/devboxes?limit=100&include_total_count=false")), "list");
  if (!first.root().booleanOr("has_more", false)) {
    for (const Json box : listed(first.root(), "devboxes").items()) {
      if (!isOver(box) && !each(box)) return;
    }
    return;
  }
  std::unordered_set<std::string> seen;  // one may go from a state to the next between two requests
  for (const std::string_view status : kAlive) {
    const auto once = [&](Json box) { return isOver(box) || !seen.emplace(box.text("id")).second || each(box); };
    if (!listPages(session, api, "/v1/devboxes", "status=" + std::string(status), "devboxes", once)) return;
  }
}

void destroyDevbox(vendor::Session& session, const vendor::Api& api, std::string_view id) {
  if (id == "." || id == "..") return;
  vendor::Request request = api.request("POST", "/v1/devboxes/" + vendor::pathSegment(id) + "/shutdown");
  request.retry = vendor::Retry::idempotent;
  api.send(session, request, {404});
}

}  // namespace computesdk::runloop
