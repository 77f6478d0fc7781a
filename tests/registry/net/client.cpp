#include "client.hpp"

#include "host/abi_structs.hpp"
#include "host/futex.hpp"
#include "net/module.hpp"

#include <stdexcept>

namespace computesdk::registry::net {
namespace {

using host::toStr;
using host::view;

std::vector<csdk_pair> lend(const Pairs& pairs) {
  std::vector<csdk_pair> out;
  for (const auto& [key, value] : pairs) out.push_back({toStr(key), toStr(value)});
  return out;
}

}  // namespace

std::int64_t inMs(std::int64_t ms) { return host::monotonicNs() + ms * 1'000'000; }

Client::Client(const std::string& baseUrl, std::vector<EgressRule> more, NetworkSettings settings) {
  Manifest manifest;
  manifest.name = "test";
  for (const char* key : {"base_url", "api_key"}) {
    ConfigEntry entry;
    entry.key = key;
    entry.secret = std::string(key) == "api_key";
    if (!entry.secret) entry.defaultValue = "https://api.vendor.example";
    manifest.config.push_back(entry);
  }
  manifest.egress = std::move(more);
  manifest.egress.push_back({"${config.base_url}", true});
  ResolvedConfig config;
  config.push_back({"base_url", OptionValue(baseUrl), false});
  config.push_back({"api_key", OptionValue(std::string("key-0123456789")), true});
  auto policy = std::make_shared<HttpPolicy>(manifest, config, std::move(settings));
  carrier = std::make_shared<NetCarrier>(policy, [](std::string&) {});
  call = std::make_shared<HttpCall>(inMs(30'000), 0);
}

std::uint64_t Client::start(const Ask& ask) {
  const auto headers = lend(ask.headers), secrets = lend(ask.secretHeaders);
  std::vector<csdk_str> subprotocols;
  for (const std::string& one : ask.subprotocols) subprotocols.push_back(toStr(one));
  csdk_http_retry retry{};
  retry.struct_size = sizeof retry;
  retry.mode = ask.retryMode;
  retry.max_attempts = ask.maxAttempts;
  retry.statuses = {ask.statuses.data(), ask.statuses.size()};
  retry.total_ms = ask.totalMs;
  csdk_http_request request{};
  request.struct_size = sizeof request;
  request.flags = ask.flags;
  request.method = toStr((ask.flags & CSDK_HTTP_WEBSOCKET) != 0 ? std::string_view{} : std::string_view(ask.method));
  request.url = toStr(ask.url);
  request.headers = {headers.data(), headers.size()};
  request.secret_headers = {secrets.data(), secrets.size()};
  request.subprotocols = {subprotocols.data(), subprotocols.size()};
  request.body = host::toBytes(ask.body);
  request.retry = &retry;
  request.connect_timeout_ms = ask.connectMs;
  request.head_timeout_ms = ask.headMs;
  request.idle_timeout_ms = ask.idleMs;
  request.on_event = ask.onEvent;
  request.on_event_ctx = ask.onEventCtx;
  std::uint64_t number = 0;
  if (call->start(*carrier, request, &number) != CSDK_OK) throw std::runtime_error("the request could not be started");
  return number;
}

Event Client::next(std::int64_t withinMs) {
  csdk_http_event raw{};
  raw.struct_size = sizeof raw;
  Event event;
  event.answer = call->next(inMs(withinMs), &raw);
  if (event.answer != CSDK_OK) return event;
  event.kind = raw.kind;
  event.flags = raw.flags;
  event.errorClass = raw.error_class;
  event.attempts = raw.attempts;
  event.request = raw.request;
  event.status = raw.status;
  for (std::size_t i = 0; i < raw.headers.count; ++i) {
    event.headers.emplace_back(view(raw.headers.items[i].key), view(raw.headers.items[i].value));
  }
  event.data = view(raw.data);
  event.message = view(raw.message);
  return event;
}

Answer Client::finish(std::uint64_t request) {
  Answer answer;
  for (;;) {
    Event event = next();
    if (event.answer != CSDK_OK) throw std::runtime_error("no event: " + std::to_string(event.answer));
    if (event.request != request) continue;
    answer.attempts = event.attempts;
    switch (event.kind) {
      case CSDK_HTTP_HEAD:
        answer.status = event.status;
        answer.headers = std::move(event.headers);
        break;
      case CSDK_HTTP_DATA:
        answer.body += event.data;
        call->ack(request, event.data.size());
        break;
      case CSDK_HTTP_END: answer.ended = true; return answer;
      case CSDK_HTTP_FAILED: answer.failure = std::move(event); return answer;
      default: break;
    }
  }
}

Answer Client::fetch(const Ask& ask) { return finish(start(ask)); }

csdk_status Client::write(std::uint64_t request, std::string_view data, std::uint32_t flags) {
  return call->write(request, flags, host::toBytes(data));
}

csdk_net_counts netCounts() {
  std::string problem;
  csdk_net_counts counts{};
  if (const csdk_net_table* table = netModule(problem)) table->counts(&counts);
  return counts;
}

void forgetConnections() {
  std::string problem;
  if (const csdk_net_table* table = netModule(problem)) table->drop_idle();
}

}  // namespace computesdk::registry::net
