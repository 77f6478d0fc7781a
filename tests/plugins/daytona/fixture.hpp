#pragma once

#include <vendor/vendor_test.hpp>

#include "daytona/daytona.hpp"

namespace computesdk::daytona::test {

inline constexpr std::string_view kKey = simulators::kDaytonaDefaultKey;

class DaytonaTest : public vendor::test::VendorTest {
 protected:
  DaytonaTest() : VendorTest(std::make_unique<simulators::DaytonaSimulator>(), {std::string(kKey)}) {
    compute_.setConfig(config());
  }

  [[nodiscard]] ComputeConfig config(std::string_view key = kKey) const {
    return configOf("daytona", {{"apiKey", std::string(key)}, {"apiUrl", url() + "/api"}});
  }
};

}  // namespace computesdk::daytona::test
