#pragma once

#include "net/http_call.hpp"
#include "net/net_carrier.hpp"

#include <computesdk/plugin.h>
#include <computesdk/registry/loader.hpp>
#include <computesdk/registry/manifest.hpp>

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace computesdk::registry::net {

using Pairs = std::vector<std::pair<std::string, std::string>>;

/// What a test asks for.
struct Ask {
  std::string method = "GET", url;
  Pairs headers = {}, secretHeaders = {};
  std::vector<std::string> subprotocols = {};
  std::string body = {};
  std::uint32_t flags = 0, retryMode = CSDK_HTTP_RETRY_NONE, maxAttempts = 0;
  std::vector<std::uint16_t> statuses = {};
  std::int64_t totalMs = 0, connectMs = 0, headMs = 0, idleMs = 0;
  csdk_notify_fn onEvent = nullptr;
  void* onEventCtx = nullptr;
};

/// An event that owns what it points to.
struct Event {
  csdk_status answer = CSDK_OK;  ///< of next
  std::uint32_t kind = 0, flags = 0, errorClass = 0, attempts = 0;
  std::uint64_t request = 0;
  int status = 0;
  Pairs headers = {};
  std::string data = {}, message = {};
};

struct Answer {
  int status = 0;
  Pairs headers = {};
  std::string body = {};
  bool ended = false;
  Event failure = {};  ///< kind is 0 when there was none
  std::uint32_t attempts = 0;

  [[nodiscard]] std::string header(const std::string& name) const {
    for (const auto& [key, value] : headers) {
      if (key == name) return value;
    }
    return {};
  }
};

std::int64_t inMs(std::int64_t ms);

/// One call of a provider whose manifest and configuration a test makes up.
class Client {
 public:
  /// Egress entries beside `${config.base_url}` (auth), which is `baseUrl`.
  explicit Client(const std::string& baseUrl, std::vector<EgressRule> more = {}, NetworkSettings settings = {});
  ~Client() { call->end(); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  std::uint64_t start(const Ask& ask);
  Event next(std::int64_t withinMs = 10'000);
  /// Starts and reads to the end, acknowledging everything.
  Answer fetch(const Ask& ask);
  Answer finish(std::uint64_t request);
  csdk_status write(std::uint64_t request, std::string_view data, std::uint32_t flags);

  std::shared_ptr<NetCarrier> carrier;
  std::shared_ptr<HttpCall> call;
};

csdk_net_counts netCounts();
/// Closes idle connections of the pool, so that a test begins without any.
void forgetConnections();

}  // namespace computesdk::registry::net
