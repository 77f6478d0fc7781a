#include "host/abi_structs.hpp"
#include "net/module.hpp"
#include "net/proxy.hpp"

#include <computesdk/registry/http_exchange.hpp>

#include <vector>

namespace computesdk::registry {
namespace {

using host::toStr;
using host::view;

/// Where the module's events go. Lives from start until the module is done.
struct HostSink {
  HttpExchangeEvents events;
  std::string problem;
  bool sent = true;

  static void onEvent(void* ctx, const csdk_http_event* event) {
    auto& self = *static_cast<HostSink*>(ctx);
    switch (event->kind) {
      case CSDK_HTTP_HEAD:
        if (self.events.onHead) self.events.onHead(event->status);
        return;
      case CSDK_HTTP_DATA:
        if (self.events.onData) self.events.onData(view(event->data), (event->flags & CSDK_HTTP_FINAL) != 0);
        return;
      case CSDK_HTTP_FAILED:
        self.problem = view(event->message);
        if (self.problem.empty()) self.problem = "the connection failed";
        self.sent = (event->flags & CSDK_HTTP_MAYBE_APPLIED) != 0;
        return;
      default: return;
    }
  }
  static void onDone(void* ctx) {
    const std::unique_ptr<HostSink> self(static_cast<HostSink*>(ctx));
    if (self->events.onClosed) self->events.onClosed(std::move(self->problem), self->sent);
  }
};

class ModuleExchange final : public HttpExchange {
 public:
  ModuleExchange(const csdk_net_table& table, csdk_net_exchange* exchange) : table_(table), exchange_(exchange) {}
  ~ModuleExchange() override {
    close();
    table_.release(exchange_);
  }
  ModuleExchange(const ModuleExchange&) = delete;
  ModuleExchange& operator=(const ModuleExchange&) = delete;

  bool send(std::string_view text) override {
    const csdk_bytes bytes{reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
    const csdk_status status = table_.write(exchange_, CSDK_HTTP_TEXT | CSDK_HTTP_FINAL, bytes);
    return status == CSDK_OK || status == CSDK_PAUSE;  // with PAUSE it was taken, and more should wait
  }
  void acknowledge(std::size_t bytes) override { table_.ack(exchange_, bytes); }
  void close() override { table_.close(exchange_, 0, {}); }

 private:
  const csdk_net_table& table_;
  csdk_net_exchange* const exchange_;
};

ErrorInfo exchangeError(ErrorCode code, std::string why) {
  ErrorInfo error;
  error.code = code;
  error.what = "cannot send a request";
  error.why = std::move(why);
  return error;
}

}  // namespace

Result<std::unique_ptr<HttpExchange>> startHttpExchange(const HttpExchangeRequest& request, HttpExchangeEvents events,
                                                        const Environment& environment) {
  const auto url = net::parseUrl(request.url);
  if (!url) return exchangeError(ErrorCode::invalidArgument, "the address is no http or https URL");
  const NetworkSettings settings = net::networkSettings(environment);
  std::string problem;
  const auto proxy = net::proxyFor(*url, settings, problem);
  if (!problem.empty()) return exchangeError(ErrorCode::config, problem);
  const csdk_net_table* table = net::netModule(problem);
  if (table == nullptr) return exchangeError(ErrorCode::unavailable, problem);

  std::vector<csdk_pair> headers;
  for (const auto& [name, value] : request.headers) headers.push_back({toStr(name), toStr(value)});
  csdk_net_request lent{};
  lent.flags = CSDK_NET_PRIVATE_OK;
  if (url->tls) lent.flags |= CSDK_NET_TLS;
  if (request.webSocket) lent.flags |= CSDK_HTTP_WEBSOCKET;
  lent.port = url->port;
  if (!request.webSocket) lent.method = toStr(request.method);
  lent.host = toStr(url->host);
  lent.target = toStr(url->target);
  lent.headers = {headers.data(), headers.size()};
  lent.body = {reinterpret_cast<const std::uint8_t*>(request.body.data()), request.body.size()};
  lent.retry.struct_size = sizeof lent.retry;
  lent.retry.mode = CSDK_HTTP_RETRY_IF_NOT_SENT;
  lent.head_timeout_ms = request.headTimeout.count();
  if (proxy) {
    lent.proxy_host = toStr(proxy->host);
    lent.proxy_port = proxy->port;
    lent.proxy_authorization = toStr(proxy->authorization);
  }
  lent.ca_file = toStr(settings.caFile);
  lent.ca_dir = toStr(settings.caDir);
  lent.extra_ca_file = toStr(settings.extraCaFile);
  auto sink = std::make_unique<HostSink>(HostSink{.events = std::move(events), .problem = {}});
  lent.ctx = sink.get();
  lent.event = &HostSink::onEvent;
  lent.done = &HostSink::onDone;
  csdk_net_exchange* exchange = table->start(&lent);
  if (exchange == nullptr) {
    return exchangeError(ErrorCode::resourceExhausted, "the HTTP client has no memory or threads left");
  }
  static_cast<void>(sink.release());  // onDone deletes it
  return std::unique_ptr<HttpExchange>(std::make_unique<ModuleExchange>(*table, exchange));
}

}  // namespace computesdk::registry
