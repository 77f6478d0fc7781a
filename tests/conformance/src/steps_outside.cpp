// Verbs that look at a sandbox from outside: addresses of ports, the simulator, what the provider says of itself.
#include "http.hpp"
#include "match.hpp"
#include "scope.hpp"
#include "table.hpp"

#include <algorithm>
#include <map>

namespace computesdk::conformance {
namespace {

Outcome url(Step& step) {
  onlyKeys(step.arguments, {"port", "protocol"}, "url");
  UrlOptions options;
  options.port = static_cast<std::uint16_t>(step.arguments.at("port").asInt());
  options.protocol = step.arguments.text("protocol");
  options.stop = step.stopper.token();
  auto got = step.sandbox().getPortUrl(nothrow, options);
  if (!got) return std::move(got).error();
  Value headers(Value::Object{});
  for (const auto& [name, value] : got->headers) headers.set(name, value);
  Value out;
  return out.set("url", got->url).set("headers", std::move(headers));
}

/// GET of a port's address, with the headers that the provider wants, until somebody answers.
Outcome fetch(Step& step) {
  onlyKeys(step.arguments, {"from", "path", "within_ms"}, "fetch");
  const Value& from = step.arguments.at("from");
  const Target& target = step.scope.world.target;
  std::string address = from.at("url").asString();
  std::string connectTo;
  if (!target.connectTo.empty() && step.scope.world.simulator) {
    // The address leads to the vendor's host; the simulator stands in for all of them, and knows no TLS.
    connectTo = step.scope.world.simulator->url().substr(std::string_view("http://").size());
    if (address.starts_with("https://")) address.erase(4, 1);
  }
  while (address.ends_with('/')) address.pop_back();
  const auto end =
      std::chrono::steady_clock::now() + std::chrono::milliseconds(step.arguments.integer("within_ms", 15000));
  std::string why;
  for (;;) {
    const auto answer = httpExchange("GET", address + step.arguments.text("path", "/"), {},
                                     stringMap(from.find("headers")), 5000, why, connectTo);
    const bool there = answer && answer->status != 502 && answer->status != 503;
    if (there || std::chrono::steady_clock::now() > end) {
      if (!answer) throw Failure("cannot fetch " + address + ": " + why);
      Value out;
      return out.set("status", answer->status).set("body", answer->body);
    }
  }
}

const Simulator& simulator(const Step& step) {
  if (!step.scope.world.simulator) throw Problem("this target has no simulator");
  return *step.scope.world.simulator;
}

/// A fault for the next request of an operation; the target says which request that is.
Outcome fault(Step& step) {
  const Value* where = step.scope.world.target.operations.find(step.arguments.at("operation").asString());
  if (where == nullptr)
    throw Problem(step.scope.world.target.file + " does not say which request is " + step.arguments.text("operation"));
  Value body = *where;
  for (const auto& [key, value] : step.arguments.asObject()) {
    if (key != "operation") body.set(key, key == "body" && isBytes(value) ? Value(bytesOf(value)) : value);
  }
  return simulator(step).control("POST", "/_sim/faults", body);
}

/// Asks the simulator's control API: {"get" | "post" | "delete": "sandboxes"}.
Outcome simulated(Step& step) {
  onlyKeys(step.arguments, {"get", "post", "delete"}, "simulator");
  for (const auto& [word, method] : {std::pair{"get", "GET"}, {"post", "POST"}, {"delete", "DELETE"}}) {
    if (const Value* what = step.arguments.find(word))
      return simulator(step).control(method, "/_sim/" + what->asString());
  }
  throw Problem("simulator: neither get nor post nor delete");
}

/// No secret may stand in any of these requests but in their headers.
Outcome leaks(Step& step) {
  onlyKeys(step.arguments, {"in"}, "leaks");
  for (const Value& request : step.arguments.at("in").asArray()) {
    for (const std::string& secret : step.scope.world.secrets) {
      if ((request.text("target") + request.text("body")).find(secret) != std::string::npos)
        throw Failure("a secret goes along in " + request.text("method") + " " + request.text("target"));
    }
  }
  return Value(Value::Object{});
}

/// What the manifest declares, what the library offers, and where the two contradict each other.
Outcome capabilities(Step& step) {
  const World& world = step.scope.world;
  const Value offered = capabilityTable(world.capabilities);
  Value declared(Value::Array{});
  for (const std::string& each : world.declared) declared.add(each);
  Value disagreements(Value::Array{});
  for (const Capability& each : step.scope.suite.capabilities) {
    if (each.manifest.empty()) continue;
    const bool says = std::ranges::any_of(each.manifest, [&](const std::string& name) {
      return std::ranges::find(world.declared, name) != world.declared.end();
    });
    const std::string does = offered.text(each.name);
    if (says != (does == "native"))
      disagreements.add("the manifest " + std::string(says ? "declares" : "does not declare") + " " + each.manifest[0] +
                        ", but " + each.name + " is " + does);
  }
  Value out;
  return out.set("offered", offered)
      .set("declared", std::move(declared))
      .set("disagreements", std::move(disagreements));
}

}  // namespace

Verb outsideVerb(std::string_view name) {
  static const std::map<std::string_view, Verb> kVerbs = {
      {"url", url},     {"fetch", fetch}, {"fault", fault}, {"simulator", simulated}, {"capabilities", capabilities},
      {"leaks", leaks},
  };
  const auto found = kVerbs.find(name);
  return found == kVerbs.end() ? nullptr : found->second;
}

}  // namespace computesdk::conformance
