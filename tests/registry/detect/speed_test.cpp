#include "detect/select.hpp"

#include "support.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdio>

namespace computesdk::registry {
namespace {

/// Members of about the size that a real provider's manifest has.
const char* const kMore = R"("vendor": "Example Inc.", "license": "Apache-2.0", "homepage": "https://example.com/",
  "description": "Sandboxes of a vendor, with everything that a manifest of the usual kind says about them.",
  "threading": "blocking", "secrets": "host", "placement": "any",
  "config": [{"key": "api_key", "env": "KEY_OF_IT", "secret": true, "prefix": "key_",
              "help": "The key of your account"},
             {"key": "domain", "env": "DOMAIN_OF_IT", "default": "example.com"},
             {"key": "template", "env": ["TEMPLATE_OF_IT", "TEMPLATE"]}],
  "detect": {"any_of": [{"all_of": ["KEY_OF_IT"]}, {"all_of": ["TOKEN_OF_IT", "TEAM_OF_IT"]}], "none_of": []},
  "options_schema": {"type": "object", "properties": {"region": {"type": "string", "enum": ["eu", "us"]},
    "resources": {"type": "object", "properties": {"vcpus": {"type": "integer"}, "memory": {"type": "integer"}}}}},
  "capabilities": ["exec", "fs", "url", "snapshot/1", "template/1", "lifetime/1"],
  "egress": [{"origin": "https://api.${config.domain}", "auth": true}, {"origin": "https://*.${config.domain}"}],
  "setup": {"steps": ["sign up at https://example.com", "make a key", "export KEY_OF_IT=…"],
            "url": "https://example.com/docs"},)";

TEST(Speed, DetectionWithThirteenManifests) {
  test::World world;
  for (int i = 0; i < 12; ++i) world.install("provider" + std::to_string(i), kMore);
  world.install("local", "\"detect\": {\"always\": true},");
  auto once = [&] {
    auto start = std::chrono::steady_clock::now();
    SearchResult found = search(world.options);
    Policy policy = readPolicy(world.options.policyFile).value();
    std::set<std::string, std::less<>> secretNames;
    Variables variables(world.options, secretNames);
    Detection detection = selectProvider({world.options, policy, found, variables}, std::nullopt);
    std::chrono::duration<double, std::micro> spent = std::chrono::steady_clock::now() - start;
    EXPECT_EQ(detection.selected, "local");
    EXPECT_EQ(detection.candidates.size(), 13u);
    return spent.count();
  };
  double first = once();
  std::vector<double> more;
  for (int i = 0; i < 100; ++i) more.push_back(once());
  std::nth_element(more.begin(), more.begin() + 50, more.end());
  double fastest = *std::min_element(more.begin(), more.end());
  std::printf("first %.0f us, median %.0f us, fastest %.0f us\n", first, more[50], fastest);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  EXPECT_LT(fastest, 1000.0);
#endif
}

}  // namespace
}  // namespace computesdk::registry
