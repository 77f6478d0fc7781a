#include "control.hpp"

#include "json.hpp"

namespace computesdk::simulators {
namespace {

std::string headersJson(const Headers& headers) {
  JsonObject object;
  for (const auto& [name, value] : headers) object.add(name, value);
  return object.text();
}

// Bytes as characters of the same number, so that any body is a JSON string.
std::string bodyText(std::string_view bytes) {
  std::string out;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80) {
      out += c;
    } else {
      out += static_cast<char>(0xc0 | byte >> 6);
      out += static_cast<char>(0x80 | (byte & 0x3f));
    }
  }
  return out;
}

std::string requestJson(const RequestRecord& record) {
  return JsonObject()
      .add("number", static_cast<std::int64_t>(record.number))
      .add("method", record.method)
      .add("target", record.target)
      .raw("headers", headersJson(record.headers))
      .add("body", bodyText(record.body))
      .add("status", record.status)
      .text();
}

// One member of a fault; false when there is none of that name and type.
bool setMember(Fault& fault, const std::string& name, const rapidjson::Value& value) {
  const auto text = [&](std::string& into) { return value.IsString() && (into = textOf(&value), true); };
  const auto number = [&](auto& into) {
    if (!value.IsInt64()) return false;
    into = static_cast<std::remove_reference_t<decltype(into)>>(value.GetInt64());
    return true;
  };
  const auto truth = [&](bool& into) { return value.IsBool() && (into = value.GetBool(), true); };
  if (name == "path") return text(fault.path);
  if (name == "method") return text(fault.method);
  if (name == "times") return number(fault.times);
  if (name == "skip") return number(fault.skip);
  if (name == "delay_ms") return number(fault.delayMs);
  if (name == "status") return number(fault.status);
  if (name == "retry_after") return text(fault.retryAfter);
  if (name == "content_type") return text(fault.contentType);
  if (name == "body") return value.IsString() ? text(fault.body) : (fault.body = jsonOf(&value), true);
  if (name == "reset") return truth(fault.reset);
  if (name == "cut") return truth(fault.cut);
  if (name == "garbage") return truth(fault.garbage);
  if (name == "applied_then_reset") return truth(fault.appliedThenReset);
  if (name == "reset_after") return number(fault.resetAfter);
  if (name == "cut_after") return number(fault.cutAfter);
  if (name == "truncate") return number(fault.truncate);
  if (name == "slow_bytes") return number(fault.slowBytes);
  if (name == "slow_ms") return number(fault.slowMs);
  if (name == "close") return truth(fault.close);
  if (name != "headers" || !value.IsObject()) return false;
  for (const auto& [key, each] : textMapOf(&value)) fault.headers.emplace_back(key, each);
  return true;
}

std::string readFault(const rapidjson::Value& value, Fault& fault) {
  if (!value.IsObject()) return "a fault is an object";
  fault.path = std::string("/");
  for (const auto& each : value.GetObject()) {
    const std::string name = textOf(&each.name);
    if (!setMember(fault, name, each.value)) return "a fault has no '" + name + "' of this type";
  }
  return {};
}

void addRequestRoutes(Server& server) {
  server.route("GET", "/_sim/stats", [&server](Exchange& exchange) {
    const ServerStats stats = server.stats();
    exchange.respond(200, JsonObject()
                              .add("requests", static_cast<std::int64_t>(stats.requests))
                              .add("connections", static_cast<std::int64_t>(stats.connections))
                              .add("bytes_in", static_cast<std::int64_t>(stats.bytesIn))
                              .add("bytes_out", static_cast<std::int64_t>(stats.bytesOut))
                              .text());
  });
  server.route("GET", "/_sim/requests", [&server](Exchange& exchange) {
    std::vector<std::string> requests;
    for (const RequestRecord& record : server.recentRequests()) requests.push_back(requestJson(record));
    exchange.respond(200, jsonArray(requests));
  });
  server.route("DELETE", "/_sim/requests", [&server](Exchange& exchange) {
    server.forgetRequests();
    exchange.respond(204);
  });
  server.route("POST", "/_sim/drop", [&server](Exchange& exchange) {
    exchange.close = true;
    server.dropConnections(exchange.stream);
    exchange.respond(204);
  });
}

}  // namespace

std::string addFaults(Server& server, std::string_view json) {
  rapidjson::Document document;
  if (!parseJson(json, document)) return "the faults are no JSON";
  std::vector<Fault> faults;
  std::string wrong;
  if (document.IsArray()) {
    for (const auto& each : document.GetArray()) {
      if (wrong.empty()) wrong = readFault(each, faults.emplace_back());
    }
  } else {
    wrong = readFault(document, faults.emplace_back());
  }
  if (!wrong.empty()) return wrong;
  for (Fault& fault : faults) server.fault(std::move(fault));
  return {};
}

void addControl(Server& server, const ControlHooks& hooks) {
  server.route("POST", "/_sim/faults", [&server](Exchange& exchange) {
    const std::string wrong = addFaults(server, exchange.request.body);
    if (wrong.empty()) return exchange.respond(204);
    exchange.respond(400, JsonObject().add("message", wrong).text());
  });
  server.route("GET", "/_sim/faults", [&server](Exchange& exchange) {
    std::vector<std::string> left;
    for (const Fault& fault : server.faults()) {
      left.push_back(JsonObject()
                         .add("path", fault.path)
                         .add("method", fault.method)
                         .add("times", fault.times)
                         .add("skip", fault.skip)
                         .text());
    }
    exchange.respond(200, jsonArray(left));
  });
  server.route("DELETE", "/_sim/faults", [&server](Exchange& exchange) {
    server.clearFaults();
    exchange.respond(204);
  });
  addRequestRoutes(server);
  server.route("GET", "/_sim/sandboxes", [sandboxes = hooks.sandboxes](Exchange& exchange) {
    exchange.respond(200, jsonStrings(sandboxes ? sandboxes() : std::vector<std::string>{}));
  });
  server.route("POST", "/_sim/reset", [&server, reset = hooks.reset](Exchange& exchange) {
    if (reset) reset();
    server.clearFaults();
    server.forgetRequests();
    exchange.respond(204);
  });
}

}  // namespace computesdk::simulators
