#include "net/net_carrier.hpp"

#include "host/abi_structs.hpp"
#include "net/module.hpp"

#include <algorithm>
#include <vector>

namespace computesdk::registry::net {
namespace {

using host::readStruct;
using host::toStr;
using host::view;

constexpr std::size_t kMaxLearnt = 1024 * 1024;  ///< bytes of one answer in which host names are looked for
constexpr std::size_t kLongestName = 253;

/// A request that never went out.
class NoRequest final : public CarriedRequest {
  csdk_status write(std::uint32_t, csdk_bytes) override { return CSDK_OK; }
  void ack(std::size_t) override {}
  void close(std::int32_t, csdk_str) override {}
};

class ModuleRequest final : public CarriedRequest {
 public:
  ModuleRequest(const csdk_net_table& table, csdk_net_exchange* exchange) : table_(table), exchange_(exchange) {}
  ~ModuleRequest() override { table_.release(exchange_); }
  ModuleRequest(const ModuleRequest&) = delete;
  ModuleRequest& operator=(const ModuleRequest&) = delete;

  csdk_status write(std::uint32_t flags, csdk_bytes data) override { return table_.write(exchange_, flags, data); }
  void ack(std::size_t size) override { table_.ack(exchange_, size); }
  void close(std::int32_t code, csdk_str reason) override { table_.close(exchange_, code, reason); }

 private:
  const csdk_net_table& table_;
  csdk_net_exchange* const exchange_;
};

/// Where the module's events go. Lives from start until the module is done.
struct Sink {
  std::shared_ptr<EventReceiver> receiver;
  std::uint64_t number;
  std::shared_ptr<HttpPolicy> policy;
  std::size_t toLearn = 0;  ///< bytes of the answer that are still looked at
  std::string tail;         ///< what may be the first half of a name

  void look(const csdk_http_event& event) {
    if (event.kind == CSDK_HTTP_HEAD) {
      for (std::size_t i = 0; i < event.headers.count; ++i) {
        const csdk_pair& header = event.headers.items[i];
        if (view(header.key) == "location") policy->egress().learn(view(header.value));
        // Single answers only: what a command prints is no word of the vendor.
        if (view(header.key) == "content-type" && view(header.value).starts_with("application/json"))
          toLearn = kMaxLearnt;
      }
    } else if (event.kind == CSDK_HTTP_DATA && toLearn != 0) {
      const std::string_view data = view(event.data).substr(0, toLearn);
      toLearn -= data.size();
      tail.append(data);
      const std::size_t end = tail.find_last_of("\"/: ,");
      if (end == std::string::npos && tail.size() <= kLongestName) return;
      policy->egress().learn(std::string_view(tail).substr(0, end));
      tail.erase(0, std::min(end, tail.size()));
    } else if (event.kind == CSDK_HTTP_END) {
      policy->egress().learn(tail);
    }
  }

  static void onEvent(void* ctx, const csdk_http_event* event) {
    auto& self = *static_cast<Sink*>(ctx);
    self.look(*event);
    csdk_http_event given = *event;
    if (given.kind == CSDK_HTTP_FAILED) {
      given.status = given.error_class == CSDK_ERROR_PROTOCOL ? CSDK_INTERNAL : CSDK_UNAVAILABLE;
    }
    self.receiver->deliver(self.number, given);
  }
  static void onDone(void* ctx) { delete static_cast<Sink*>(ctx); }
};

void fail(EventReceiver& receiver, std::uint64_t number, csdk_status status, std::string_view why) {
  csdk_http_event event{};
  event.struct_size = sizeof event;
  event.kind = CSDK_HTTP_FAILED;
  event.status = status;
  event.error_class = CSDK_ERROR_PLAIN;
  event.message = toStr(why);
  receiver.deliver(number, event);
}

/// What the module's struct points to.
struct Lent {
  std::vector<csdk_pair> headers;
  std::vector<csdk_str> subprotocols;
  csdk_net_request request{};

  Lent(const Approved& approved, const csdk_http_request& asked, const NetworkSettings& settings) {
    for (const auto& [name, value] : approved.headers) headers.push_back({toStr(name), toStr(value)});
    for (const std::string& one : approved.subprotocols) subprotocols.push_back(toStr(one));
    request.flags = asked.flags & (CSDK_HTTP_BODY_STREAM | CSDK_HTTP_WEBSOCKET);
    if (approved.url.tls) request.flags |= CSDK_NET_TLS;
    if (approved.verdict.privateOk) request.flags |= CSDK_NET_PRIVATE_OK;
    request.port = approved.url.port;
    request.method = toStr(approved.method);
    request.host = toStr(approved.url.host);
    request.target = toStr(approved.url.target);
    request.headers = {headers.data(), headers.size()};
    request.subprotocols = {subprotocols.data(), subprotocols.size()};
    request.body = asked.body;
    request.retry = readStruct(asked.retry);
    request.connect_timeout_ms = asked.connect_timeout_ms;
    request.head_timeout_ms = asked.head_timeout_ms;
    request.idle_timeout_ms = asked.idle_timeout_ms;
    if (approved.proxy) {
      request.proxy_host = toStr(approved.proxy->host);
      request.proxy_port = approved.proxy->port;
      request.proxy_authorization = toStr(approved.proxy->authorization);
    }
    request.ca_file = toStr(settings.caFile);
    request.ca_dir = toStr(settings.caDir);
    request.extra_ca_file = toStr(settings.extraCaFile);
  }
};

}  // namespace

std::unique_ptr<CarriedRequest> NetCarrier::start(const std::shared_ptr<EventReceiver>& receiver, std::uint64_t number,
                                                  const csdk_http_request& request) {
  Approved approved;
  Refusal refusal = policy_->approve(request, approved);
  std::string problem;
  const csdk_net_table* table = refusal.status == CSDK_OK ? netModule(problem) : nullptr;
  csdk_net_exchange* exchange = nullptr;
  if (table != nullptr) {
    Lent lent(approved, request, policy_->settings());
    lent.request.deadline_ns = receiver->deadlineNs();
    auto sink = std::make_unique<Sink>(Sink{.receiver = receiver, .number = number, .policy = policy_, .tail = {}});
    lent.request.ctx = sink.get();
    lent.request.event = &Sink::onEvent;
    lent.request.done = &Sink::onDone;
    exchange = table->start(&lent.request);
    if (exchange != nullptr) {
      static_cast<void>(sink.release());  // onDone deletes it
      return std::make_unique<ModuleRequest>(*table, exchange);
    }
    problem = "the HTTP client has no memory or threads left";
  }
  if (refusal.status == CSDK_OK) refusal = {CSDK_UNAVAILABLE, problem};
  redact_(refusal.why);
  fail(*receiver, number, refusal.status, refusal.why);
  return std::make_unique<NoRequest>();
}

void giveHttp(host::HostContext& context, const Manifest& manifest, const ResolvedConfig& config,
              const NetworkSettings& settings) {
  if (manifest.egress.empty()) return;
  auto policy = std::make_shared<HttpPolicy>(manifest, config, settings);
  // The context outlives every request.
  context.setHttp(
      std::make_shared<NetCarrier>(std::move(policy), [&context](std::string& text) { context.redact(text); }));
}

}  // namespace computesdk::registry::net
