#include "recorded.hpp"

#include "json.hpp"

#include <fstream>
#include <iterator>

namespace computesdk::simulators {
namespace {

using rapidjson::Value;

void replaceAll(std::string& text, const std::string& from, const std::string& to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
    text.replace(at, from.size(), to);
  }
}

std::string bytesOf(const Value* body) {
  std::string bytes;
  if (const Value* const packed = member(body, "base64")) {
    unbase64(textOf(packed), bytes);
    return bytes;
  }
  if (body == nullptr) return bytes;
  return body->IsString() ? textOf(body) : jsonOf(body);
}

}  // namespace

std::string Replayed::bytesThen() const { return bytesOf(&then); }

void Recordings::learn(const std::string& then, const std::string& now) {
  if (!then.empty() && then != now) names_.emplace_back(then, now);
}

Replayed Recordings::replay(Client& client, const std::string& name) const {
  Replayed out;
  std::ifstream file(folder_ + "/" + name + ".json");
  std::string text{std::istreambuf_iterator<char>(file), {}};
  for (const auto& [then, now] : names_) replaceAll(text, then, now);
  rapidjson::Document recorded;
  if (!parseJson(text, recorded)) {
    out.problem = name + " is no recording";
    return out;
  }
  const Value* const request = member(&recorded, "request");
  const Value* const response = member(&recorded, "response");
  Headers headers;
  for (const auto& [key, value] : textMapOf(member(request, "headers"))) {
    if (key != "content-length") headers.emplace_back(key, value);
  }
  out.now = client.ask(textOf(member(request, "method")), textOf(member(request, "path")), headers,
                       bytesOf(member(request, "body")));
  if (out.now.status != numberOf(member(response, "status"))) {
    out.problem = "status " + std::to_string(out.now.status) + ": " + out.now.body;
  }
  for (const auto& [key, value] : textMapOf(member(response, "headers"))) {
    if (key == "content-length" || ownHeaders_.contains(key) || out.now.header(key) == value) continue;
    out.problem += "\nheader " + key + ": " + value + " is now " + out.now.header(key);
  }
  out.inEnvelopes = member(response, "envelopes") != nullptr;
  if (const Value* const body = member(response, "body")) out.then.CopyFrom(*body, out.then.GetAllocator());
  return out;
}

std::string Recordings::difference(const Value& then, const Value& now, const std::string& at) const {
  if (then.GetType() != now.GetType()) return at + ": " + jsonOf(&then) + " is now " + jsonOf(&now);
  if (then.IsObject()) {
    if (then.MemberCount() != now.MemberCount()) return at + ": members differ in " + jsonOf(&now);
    for (const auto& each : then.GetObject()) {
      const std::string name = textOf(&each.name);
      const auto found = now.FindMember(each.name);
      if (found == now.MemberEnd()) return at + ": there is no " + name;
      if (each.value.GetType() == found->value.GetType() && volatile_(then, name, each.value)) continue;
      if (std::string inside = difference(each.value, found->value, at + "." + name); !inside.empty()) return inside;
    }
    return {};
  }
  if (then.IsArray()) {
    if (then.Size() != now.Size()) return at + ": another length: " + jsonOf(&now);
    for (rapidjson::SizeType i = 0; i < then.Size(); ++i) {
      std::string inside = difference(then[i], now[i], at + "[" + std::to_string(i) + "]");
      if (!inside.empty()) return inside;
    }
    return {};
  }
  return then == now ? std::string() : at + ": " + jsonOf(&then) + " is now " + jsonOf(&now);
}

}  // namespace computesdk::simulators
