#include "../module_api.h"
#include "exchange.hpp"

#include <exception>
#include <memory>

// The module's one exported function and what stands behind the table that it gives.
struct csdk_net_exchange {
  std::shared_ptr<computesdk::net::Exchange> exchange;
};

namespace computesdk::net {
namespace {

csdk_net_exchange* start(const csdk_net_request* request) {
  try {
    Hub* hub = Hub::instance();
    if (hub == nullptr) return nullptr;
    auto handle = std::make_unique<csdk_net_exchange>();
    handle->exchange = std::make_shared<Exchange>(*hub, *request);
    Exchange::launch(handle->exchange);
    return handle.release();
  } catch (const std::exception&) {
    return nullptr;
  }
}

csdk_status write(csdk_net_exchange* handle, std::uint32_t flags, csdk_bytes data) {
  try {
    return handle->exchange->write(flags,
                                   {reinterpret_cast<const char*>(data.data), data.data == nullptr ? 0 : data.size});
  } catch (const std::exception&) {
    return CSDK_RESOURCE_EXHAUSTED;
  }
}

void ack(csdk_net_exchange* handle, std::size_t size) { handle->exchange->ack(size); }

void close(csdk_net_exchange* handle, std::int32_t code, csdk_str reason) {
  handle->exchange->close(code, {reason.data, reason.data == nullptr ? 0 : reason.size});
}

void release(csdk_net_exchange* handle) { delete handle; }

void counts(csdk_net_counts* out) {
  *out = {};
  const Hub* hub = Hub::instance();
  if (hub == nullptr) return;
  out->requests = hub->requests;
  out->connections = hub->connections;
  out->bytes_out = hub->bytes.out;
  out->bytes_in = hub->bytes.in;
}

void dropIdle() {
  if (Hub* hub = Hub::instance()) {
    asio::post(hub->io, [hub] { hub->pool.clear(); });
  }
}

constexpr csdk_net_table kTable = {CSDK_NET_VERSION, 0, start, write, ack, close, release, counts, dropIdle};

}  // namespace
}  // namespace computesdk::net

extern "C" __attribute__((visibility("default"))) const csdk_net_table* computesdk_net_table();

const csdk_net_table* computesdk_net_table() { return &computesdk::net::kTable; }
