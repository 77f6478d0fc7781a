#include <vendor/vendor.hpp>

#include "daytona/daytona.hpp"

namespace computesdk::vendor::test {

const Vendor& theVendor() {
  static const Vendor vendor = {
      .name = "daytona",
      .simulator = [] { return std::make_unique<simulators::DaytonaSimulator>(); },
      .secret = simulators::kDaytonaDefaultKey,
      .credentials = {{"DAYTONA_API_KEY", simulators::kDaytonaDefaultKey}},
      .urls = {{"DAYTONA_API_URL", "/api"}},
      .createPath = "/api/sandbox",
      .listPath = "/api/sandbox",
      .quotaStatus = 403,
      .quotaBody = R"({"statusCode":403,"message":"Total CPU limit exceeded. Maximum allowed: 10"})",
      .home = "app.daytona.io:443",
      .variables = {"DAYTONA_API_KEY", "DAYTONA_JWT_TOKEN", "DAYTONA_ORGANIZATION_ID", "DAYTONA_API_URL",
                    "DAYTONA_SERVER_URL", "DAYTONA_TARGET", "DAYTONA_USE_DEPRECATED_POLLING"}};
  return vendor;
}

}  // namespace computesdk::vendor::test
