#pragma once

#include <vendor/vendor_test.hpp>

#include "vercel/vercel.hpp"

namespace computesdk::vercel::test {

inline constexpr std::string_view kToken = simulators::kVercelDefaultToken;
inline constexpr const char* kSessions = "/api/v2/sandboxes/sessions/";

class VercelTest : public vendor::test::VendorTest {
 protected:
  VercelTest() : VendorTest(std::make_unique<simulators::VercelSimulator>(), {std::string(kToken)}) {
    compute_.setConfig(config());
  }

  [[nodiscard]] ComputeConfig config(std::string_view token = kToken) const {
    return VendorTest::configOf("vercel", {{"baseUrl", url() + "/api"},
                                           {"token", std::string(token)},
                                           {"teamId", std::string(simulators::kVercelDefaultTeam)},
                                           {"projectId", std::string(simulators::kVercelDefaultProject)}});
  }
  /// Nothing but the service's URL is given; the rest is in these variables.
  [[nodiscard]] ComputeConfig configOf(StringMap variables) const {
    return VendorTest::configOf("vercel", {{"baseUrl", url() + "/api"}}, std::move(variables));
  }
};

}  // namespace computesdk::vercel::test
