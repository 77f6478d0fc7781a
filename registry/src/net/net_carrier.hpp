#pragma once

#include "host/host_context.hpp"
#include "net/http_call.hpp"
#include "net/module_api.h"
#include "net/policy.hpp"

#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace computesdk::registry::net {

/// Takes one provider's requests to the module computesdk-net, after its policy has approved them. Thread-safe.
class NetCarrier final : public HttpCarrier {
 public:
  /// `redact` puts *** in place of secrets in what a failure says.
  NetCarrier(std::shared_ptr<HttpPolicy> policy, std::function<void(std::string&)> redact)
      : policy_(std::move(policy)), redact_(std::move(redact)) {}

  std::unique_ptr<CarriedRequest> start(const std::shared_ptr<EventReceiver>& receiver, std::uint64_t number,
                                        const csdk_http_request& request) override;

  void learn(std::string_view text) override { policy_->egress().learn(text); }

 private:
  const std::shared_ptr<HttpPolicy> policy_;
  const std::function<void(std::string&)> redact_;
};

/// Gives a provider csdk.http/1, if its manifest names an origin.
void giveHttp(host::HostContext& context, const Manifest& manifest, const ResolvedConfig& config,
              const NetworkSettings& settings);

}  // namespace computesdk::registry::net
