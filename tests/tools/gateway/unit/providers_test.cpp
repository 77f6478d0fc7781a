#include <gtest/gtest.h>

#include <map>

#include "providers/carriers.hpp"

namespace computesdk::gateway {
namespace {

ProviderChoice choice(std::string body, std::string header) {
  ProviderChoice wanted;
  wanted.body = std::move(body);
  wanted.header = std::move(header);
  wanted.loaded = [](std::string_view name) { return name == "local" || name == "acme"; };
  wanted.loadedNames = {"acme", "local"};
  return wanted;
}

TEST(ProviderChoice, TheFieldOfTheRequestComesFirst) {
  EXPECT_EQ(resolveProvider(choice("acme", "local")).value(), "acme");
  auto refused = resolveProvider(choice("e2b", "local"));
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().firstLine().find("Unknown provider: e2b"), std::string::npos);
  EXPECT_NE(refused.error().firstLine().find("acme, local"), std::string::npos);
}

TEST(ProviderChoice, LoadedThenAliasThenCarrier) {
  EXPECT_EQ(resolveProvider(choice("", "acme")).value(), "acme");
  auto aliased = choice("", "e2b");
  aliased.aliases["e2b"] = "acme";
  EXPECT_EQ(resolveProvider(aliased).value(), "acme");
  EXPECT_EQ(carrierNames().size(), 20U);
  for (const std::string_view name : carrierNames()) {
    EXPECT_EQ(resolveProvider(choice("", std::string(name))).value(), "local") << name;
  }
  EXPECT_EQ(resolveProvider(choice("", "")).value(), "local");
  EXPECT_EQ(resolveProvider(choice("", "nosuch")).error().code, ErrorCode::unknownProvider);
}

TEST(ProviderChoice, AStandInForAKeyMakesTheNameACarrier) {
  auto placeholder = choice("", "e2b");
  placeholder.loaded = [](std::string_view) { return true; };
  EXPECT_EQ(resolveProvider(placeholder).value(), "e2b");
  placeholder.standIns = true;
  EXPECT_EQ(resolveProvider(placeholder).value(), "local");
  placeholder.aliases["e2b"] = "acme";
  EXPECT_EQ(resolveProvider(placeholder).value(), "acme");
  placeholder.header = "acme";  // no client sends this name unasked
  EXPECT_EQ(resolveProvider(placeholder).value(), "acme");
  placeholder.body = "e2b";
  EXPECT_EQ(resolveProvider(placeholder).value(), "e2b");
}

Result<OptionMap> credentials(const std::map<std::string, std::string>& headers, std::string_view provider,
                              const std::vector<std::string>& secrets = {}, bool addresses = false) {
  return credentialsFrom(
      [&](std::string_view name) {
        const auto found = headers.find(std::string(name));
        return found == headers.end() ? std::string_view() : std::string_view(found->second);
      },
      provider, secrets, addresses);
}

TEST(Credentials, AllSpellings) {
  const auto text = [](const Result<OptionMap>& found, const char* key) {
    return std::get<std::string>(found.value().at(key));
  };
  EXPECT_EQ(text(credentials({{"x-e2b-api-key", "k"}}, "e2b"), "api_key"), "k");
  EXPECT_EQ(text(credentials({{"x-railway-api-token", "k"}}, "railway"), "api_token"), "k");
  EXPECT_EQ(text(credentials({{"x-railway-api-key", "k"}}, "railway"), "api_token"), "k");
  EXPECT_EQ(text(credentials({{"x-csb-api-key", "k"}}, "codesandbox"), "api_key"), "k");
  EXPECT_EQ(text(credentials({{"x-bl-workspace", "w"}}, "blaxel"), "workspace"), "w");
  EXPECT_EQ(text(credentials({{"x-acme-api-key", "k"}}, "acme", {"api_key"}), "api_key"), "k");
  EXPECT_TRUE(credentials({{"x-e2b-api-key", "k"}}, "local").value().empty());
  EXPECT_TRUE(credentials({{"x-e2b-api-url", "http://x"}}, "e2b", {"api_key"}).value().empty());
}

TEST(Credentials, AddressesOfClientsAreRefused) {
  const std::map<std::string, std::string> headers = {{"x-cloudflare-sandbox-url", "http://169.254.169.254"}};
  EXPECT_EQ(credentials(headers, "cloudflare").error().code, ErrorCode::policy);
  EXPECT_EQ(credentials(headers, "cloudflare", {}, true).value().size(), 1U);
}

}  // namespace
}  // namespace computesdk::gateway
