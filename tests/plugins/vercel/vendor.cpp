#include <vendor/vendor.hpp>

#include "vercel/vercel.hpp"

namespace computesdk::vendor::test {

const Vendor& theVendor() {
  static const Vendor vendor = {
      .name = "vercel",
      .simulator = [] { return std::make_unique<simulators::VercelSimulator>(); },
      .secret = simulators::kVercelDefaultToken,
      .credentials = {{"VERCEL_TOKEN", simulators::kVercelDefaultToken},
                      {"VERCEL_TEAM_ID", simulators::kVercelDefaultTeam},
                      {"VERCEL_PROJECT_ID", simulators::kVercelDefaultProject}},
      .urls = {{"VERCEL_SANDBOX_BASE_URL", "/api"}},
      .createPath = "/api/v3/sandboxes",
      .listPath = "/api/v2/sandboxes",
      .quotaStatus = 429,
      .quotaBody = R"({"error":{"code":"rate_limited","message":"limit of concurrent sandboxes reached"}})",
      .home = "vercel.com:443",
      .variables = {"VERCEL_OIDC_TOKEN", "VERCEL_TOKEN", "VERCEL_TEAM_ID", "VERCEL_PROJECT_ID",
                    "VERCEL_SANDBOX_BASE_URL"}};
  return vendor;
}

}  // namespace computesdk::vendor::test
