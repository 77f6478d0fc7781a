#include "vercel/machine.hpp"

#include <charconv>

namespace computesdk::vercel {
namespace {

using plugin::view;
using vendor::Answer;
using vendor::Failure;
using vendor::Json;
using vendor::JsonDocument;
using vendor::JsonValue;
using vendor::Request;

/// The sandbox stopped while a command ran: waking it would not bring the command back, and nobody may repeat it.
Failure interrupted(Failure why) {
  why.maybeApplied = true;
  if (why.errorClass != CSDK_ERROR_STOPPED) return why;
  why.is(CSDK_UNAVAILABLE);
  why.message = "the sandbox stopped while the command was running";
  why.fix = "see its time (extendTimeout), and run the command again if that is safe";
  return why;
}

}  // namespace

std::optional<Handle> Handle::of(const csdk_target& target) {
  const auto token = vendor::SandboxToken::parse(target.token);
  if (!token) return {};
  Handle out;
  out.name = view(target.id);
  out.session = token->get("session");
  out.directory = token->get("dir");
  if (out.session.empty()) return {};
  const std::string routes = token->get("routes");
  for (std::string_view rest = routes; !rest.empty();) {
    const std::string_view one = rest.substr(0, rest.find(','));
    unsigned port = 0;
    const auto [end, failed] = std::from_chars(one.data(), one.data() + one.size(), port);
    if (failed != std::errc() || end == one.data() + one.size() || *end != ':') return {};
    out.routes.emplace_back(port, std::string(one.substr(static_cast<std::size_t>(end + 1 - one.data()))));
    rest.remove_prefix(std::min(one.size() + 1, rest.size()));
  }
  return out;
}

Handle Handle::of(Json answer, std::string_view asked) {
  Handle out;
  out.name = answer["sandbox"].text("name");
  out.session = answer["session"].text("id");
  out.directory = asked.empty() ? answer["session"].textOr("cwd", kHome) : asked;
  out.takeRoutes(answer["routes"]);
  return out;
}

void Handle::takeRoutes(Json list) {
  routes.clear();
  for (const Json route : list.items()) {
    routes.emplace_back(static_cast<unsigned>(route.integer("port")), std::string(route.text("subdomain")));
  }
}

std::string Handle::token() const {
  std::string list;
  for (const auto& [port, subdomain] : routes) {
    if (!list.empty()) list += ',';
    list += std::to_string(port) + ":" + subdomain;
  }
  vendor::SandboxToken token;
  return token.set("session", session).set("dir", directory).set("routes", list).write();
}

std::optional<std::string> Handle::host(unsigned port) const {
  for (const auto& [one, subdomain] : routes) {
    if (one == port) return subdomain + ".vercel.run";
  }
  return {};
}

JsonDocument askAbout(vendor::Session& session, const vendor::Api& control, const Settings& settings,
                      std::string_view name, bool wake) {
  vendor::Query query;
  if (wake) query.add("resume", "true");
  Request request = control.get(settings.sandboxPath(name, query));
  if (wake) request.headTimeoutMs = 180000;  // a disk is brought back
  const Answer answer = control.send(session, request, {404});
  if (answer.status == 404) throw vendor::goneError(kTitle, name);
  JsonDocument document = control.json(answer, wake ? "resume" : "inspect");
  if (document["sandbox"]["name"].asText().value_or("") != name) {
    throw plugin::Error(CSDK_UNAVAILABLE, "Vercel's answer to inspect is about another sandbox")
        .errorClass(CSDK_ERROR_PROTOCOL);
  }
  return document;
}

Machine::Machine(vendor::Session& session, const vendor::Api& control, const Settings& settings,
                 const csdk_target& target)
    : session_(session), control_(control), settings_(settings) {
  if (auto known = Handle::of(target)) {
    handle_ = std::move(*known);
    return;
  }
  handle_ = Handle::of(askAbout(session, control, settings, view(target.id)).root(), {});
  session.call().token(handle_.token());
}

Request Machine::request(std::string_view path) const {
  const std::string whole = "/v2/sandboxes/sessions/" + vendor::pathSegment(handle_.session) + std::string(path);
  return control_.request("POST", settings_.path(whole));
}

Request Machine::post(std::string_view path, const JsonValue& body) const {
  Request out = request(path);
  out.headers.emplace_back("Content-Type", "application/json");
  out.body = body.write();
  return out;
}

Answer Machine::send(const Request& request) {
  Answer answer = session_.fetch(request);
  if (answer.ok()) return answer;
  throw failure(answer, request.retry == vendor::Retry::notSent).error();
}

Failure Machine::failure(const Answer& answer, bool changes) {
  if (answer.status == 404 || answer.status == 410 || answer.status == 422) {
    if (auto why = whyNotRunning()) return std::move(*why);
  }
  return control_.failure(session_, answer, changes);
}

Failure Machine::failure(std::string_view code, std::string_view message) {
  if (auto why = whyNotRunning()) return interrupted(std::move(*why));
  Failure failure;
  failure.httpStatus = 200;
  failure.vendorCode = vendor::oneLine(code, 80);
  failure.vendorText = vendor::oneLine(message, 400);
  failure.message =
      "Vercel ended the command's output: " + (failure.vendorText.empty() ? failure.vendorCode : failure.vendorText);
  failure.is(CSDK_UNAVAILABLE);
  return control_.explain(std::move(failure));
}

Failure Machine::broken(Failure failure) {
  try {
    if (auto why = whyNotRunning()) return interrupted(std::move(*why));
  } catch (const plugin::Error& error) {
    if (error.status() == CSDK_CANCELLED) throw;
  }
  return failure;
}

std::string Machine::absolute(std::string_view path) const {
  if (path.starts_with('/')) return std::string(path);
  return (handle_.directory.empty() ? std::string(kHome) : handle_.directory) + "/" + std::string(path);
}

std::optional<Failure> Machine::whyNotRunning() {
  Failure failure;
  try {
    const JsonDocument asked = askAbout(session_, control_, settings_, handle_.name);
    const Json current = asked["session"];
    const std::string_view status = current.textOr("status");
    if (current.textOr("id") == handle_.session && (status == "running" || status == "pending")) return {};
    failure.is(CSDK_FAILED_PRECONDITION, CSDK_ERROR_STOPPED);
    failure.message = "the sandbox has stopped";
    failure.fix = "sandbox.resume() wakes it; so does the next command that is run in it";
  } catch (const plugin::Error& error) {
    if (error.abi().error_class != CSDK_ERROR_GONE) throw;
    failure.is(CSDK_NOT_FOUND, CSDK_ERROR_GONE);
    failure.message = error.what();
  }
  return failure;
}

}  // namespace computesdk::vercel
