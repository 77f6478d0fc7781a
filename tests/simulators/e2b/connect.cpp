#include "connect.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace computesdk::simulators {
namespace {

constexpr unsigned char kEndOfStream = 2;
constexpr std::size_t kHead = 5;

int statusOf(std::string_view code) {
  static constexpr std::array<std::pair<std::string_view, int>, 12> kStatuses = {{{"invalid_argument", 400},
                                                                                  {"failed_precondition", 400},
                                                                                  {"unauthenticated", 401},
                                                                                  {"permission_denied", 403},
                                                                                  {"not_found", 404},
                                                                                  {"already_exists", 409},
                                                                                  {"resource_exhausted", 429},
                                                                                  {"unimplemented", 501},
                                                                                  {"unavailable", 503},
                                                                                  {"deadline_exceeded", 504},
                                                                                  {"internal", 500},
                                                                                  {"unknown", 500}}};
  const auto found =
      std::find_if(kStatuses.begin(), kStatuses.end(), [&](const auto& one) { return one.first == code; });
  return found == kStatuses.end() ? 500 : found->second;
}

std::string errorJson(const RpcError& error) {
  return JsonObject().add("code", error.code).add("message", error.message).text();
}

bool hasType(Exchange& exchange, std::string_view wanted) {
  const std::string type = exchange.request.header("content-type");
  const std::string_view bare = std::string_view(type).substr(0, type.find(';'));
  if (bare == wanted) return true;
  exchange.respond(415, {}, {}, {{"Accept-Post", std::string(wanted)}});
  return false;
}

}  // namespace

std::string envelope(unsigned char flags, std::string_view json) {
  std::string out(1, static_cast<char>(flags));
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(json.size() >> shift & 0xff);
  return out.append(json);
}

bool takeEnvelope(std::string& bytes, std::string& json) {
  if (bytes.size() < kHead || bytes[0] != 0) return false;
  std::size_t size = 0;
  for (std::size_t i = 1; i < kHead; ++i) size = size << 8 | static_cast<unsigned char>(bytes[i]);
  if (bytes.size() < kHead + size) return false;
  json = bytes.substr(kHead, size);
  bytes.erase(0, kHead + size);
  return true;
}

bool readUnary(Exchange& exchange, rapidjson::Document& message) {
  if (!hasType(exchange, "application/json")) return false;
  if (parseJson(exchange.request.body, message) && message.IsObject()) return true;
  respondUnary(exchange, RpcError{"invalid_argument", "unmarshal message: proto: syntax error"});
  return false;
}

bool readStream(Exchange& exchange, rapidjson::Document& message) {
  if (!hasType(exchange, "application/connect+json")) return false;
  std::string rest = exchange.request.body, json;
  const bool whole = takeEnvelope(rest, json) && rest.empty();
  if (whole && parseJson(json, message) && message.IsObject()) return true;
  RpcStream(exchange).end({"invalid_argument", "protocol error: incomplete envelope or no JSON object"});
  return false;
}

void respondUnary(Exchange& exchange, std::string_view json) { exchange.respond(200, json); }

void respondUnary(Exchange& exchange, const RpcError& error) {
  exchange.respond(statusOf(error.code), errorJson(error));
}

void RpcStream::open() {
  if (std::exchange(open_, true)) return;
  exchange_.begin(200, "application/connect+json", {{"Connect-Accept-Encoding", "gzip"}});
}

bool RpcStream::send(std::string_view json) {
  open();
  return exchange_.chunk(envelope(0, json));
}

void RpcStream::end() {
  open();
  exchange_.chunk(envelope(kEndOfStream, "{}"));
  exchange_.end();
}

void RpcStream::end(const RpcError& error) {
  open();
  exchange_.chunk(envelope(kEndOfStream, JsonObject().raw("error", errorJson(error)).text()));
  exchange_.end();
}

}  // namespace computesdk::simulators
