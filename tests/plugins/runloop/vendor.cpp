#include <vendor/vendor.hpp>

#include "runloop/runloop.hpp"

namespace computesdk::vendor::test {

const Vendor& theVendor() {
  static const Vendor vendor = {.name = "runloop",
                                .simulator = [] { return std::make_unique<simulators::RunloopSimulator>(); },
                                .secret = simulators::kRunloopDefaultKey,
                                .credentials = {{"RUNLOOP_API_KEY", simulators::kRunloopDefaultKey}},
                                .urls = {{"RUNLOOP_BASE_URL", ""}},
                                .createPath = "/v1/devboxes",
                                .listPath = "/v1/devboxes",
                                .quotaStatus = 403,
                                .quotaBody = R"({"code":403,"message":"you have reached your limit of devboxes"})",
                                .home = "api.runloop.ai:443",
                                .variables = {"RUNLOOP_API_KEY", "RUNLOOP_BASE_URL", "RUNLOOP_CUSTOM_HEADERS"}};
  return vendor;
}

}  // namespace computesdk::vendor::test
