#pragma once

#include <vendor/vendor_test.hpp>

#include "e2b/e2b.hpp"

namespace computesdk::e2b::test {

inline constexpr std::string_view kKey = simulators::kE2bDefaultKey;

class E2bTest : public vendor::test::VendorTest {
 protected:
  E2bTest() : VendorTest(std::make_unique<simulators::E2bSimulator>(), {std::string(kKey), "ea_"}) {
    compute_.setConfig(config());
  }

  [[nodiscard]] ComputeConfig config(std::string_view key = kKey) const {
    return configOf("e2b", {{"apiKey", std::string(key)}, {"apiUrl", url()}, {"sandboxUrl", url()}});
  }
};

}  // namespace computesdk::e2b::test
