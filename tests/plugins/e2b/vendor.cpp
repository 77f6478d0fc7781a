#include <vendor/vendor.hpp>

#include "e2b/e2b.hpp"

namespace computesdk::vendor::test {

const Vendor& theVendor() {
  static const Vendor vendor = {
      .name = "e2b",
      .simulator = [] { return std::make_unique<simulators::E2bSimulator>(); },
      .secret = simulators::kE2bDefaultKey,
      .credentials = {{"E2B_API_KEY", simulators::kE2bDefaultKey}},
      .urls = {{"E2B_API_URL", ""}, {"E2B_SANDBOX_URL", ""}},
      .createPath = "/v2/sandboxes",
      .listPath = "/v2/sandboxes",
      .quotaStatus = 429,
      .quotaBody = R"({"code":429,"message":"you have reached the maximum number of concurrent E2B sandboxes"})",
      .home = "api.e2b.app:443",
      .variables = {"E2B_API_KEY", "E2B_DOMAIN", "E2B_API_URL", "E2B_SANDBOX_URL", "E2B_DEBUG",
                    "E2B_USER_AGENT_SOURCE"}};
  return vendor;
}

}  // namespace computesdk::vendor::test
