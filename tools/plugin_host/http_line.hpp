#pragma once

#include "channel.hpp"

#include "net/http_call.hpp"

#include <map>
#include <memory>
#include <mutex>

namespace computesdk::plugin_host {

/// Takes the plug-in's requests to the host, which has the network and the keys, and brings their events back.
/// Thread-safe.
class HttpLine final : public registry::net::HttpCarrier {
 public:
  explicit HttpLine(Channel& channel) : channel_(channel) {}

  std::unique_ptr<registry::net::CarriedRequest> start(const std::shared_ptr<registry::net::EventReceiver>& receiver,
                                                       std::uint64_t number, const csdk_http_request& request) override;
  /// A frame from the host, on the thread that receives. False: it breaks the protocol.
  bool handle(const registry::host::Frame& frame);

 private:
  class Request;

  std::shared_ptr<Request> find(std::uint64_t number);
  void forget(std::uint64_t number);

  Channel& channel_;
  std::mutex mutex_;
  std::map<std::uint64_t, std::shared_ptr<Request>> requests_;
};

}  // namespace computesdk::plugin_host
