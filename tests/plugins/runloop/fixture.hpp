#pragma once

#include <vendor/vendor_test.hpp>

#include "runloop/runloop.hpp"

namespace computesdk::runloop::test {

inline constexpr std::string_view kKey = simulators::kRunloopDefaultKey;

class RunloopTest : public vendor::test::VendorTest {
 protected:
  RunloopTest() : VendorTest(std::make_unique<simulators::RunloopSimulator>(), {std::string(kKey), "tt_"}) {
    compute_.setConfig(config());
  }

  [[nodiscard]] ComputeConfig config(std::string_view key = kKey) const {
    return configOf("runloop", {{"apiKey", std::string(key)}, {"baseUrl", url()}});
  }
};

}  // namespace computesdk::runloop::test
