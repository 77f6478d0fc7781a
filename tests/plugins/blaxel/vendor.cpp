#include <vendor/vendor.hpp>

#include "blaxel/blaxel.hpp"

namespace computesdk::vendor::test {

const Vendor& theVendor() {
  static const Vendor vendor = {
      .name = "blaxel",
      .simulator = [] { return std::make_unique<simulators::BlaxelSimulator>(); },
      .secret = simulators::kBlaxelDefaultKey,
      .credentials = {{"BL_API_KEY", simulators::kBlaxelDefaultKey},
                      {"BL_WORKSPACE", simulators::kBlaxelDefaultWorkspace}},
      .urls = {{"BL_API_URL", "/v0"}},
      .createPath = "/v0/sandboxes",
      .listPath = "/v0/sandboxes",
      .quotaStatus = 403,
      .quotaBody = R"({"code":"QUOTA_EXCEEDED","error":"sandbox quota of the workspace exceeded"})",
      .home = "api.blaxel.ai:443",
      .variables = {"BL_API_KEY", "BL_WORKSPACE", "BL_CLIENT_CREDENTIALS", "BL_ENV", "BL_API_URL", "BL_RUN_URL",
                    "BL_API_VERSION", "BL_REGION", "BL_DISABLE_H2", "BL_SANDBOX_READ_RETRIES", "BL_FS_PART_RETRIES"}};
  return vendor;
}

}  // namespace computesdk::vendor::test
