// Settings as vendors' own clients have them: every variable is known, and says what it says there.
#include <harness/json.hpp>

#include <fstream>
#include <iterator>

#include "vendor.hpp"

namespace computesdk::vendor::test {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::string contentOf(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

class EveryVendorsSettings : public VendorTest {
 protected:
  EveryVendorsSettings() : VendorTest(theVendor().simulator(), {theVendor().secret}) {}
};

TEST_F(EveryVendorsSettings, EveryVariableOfItsClientIsInTheManifestAndOnItsPage) {
  const std::string& name = theVendor().name;
  rapidjson::Document manifest;
  ASSERT_TRUE(simulators::parseJson(contentOf(CSDK_PLUGINS "/" + name + "/" + name + ".provider.json"), manifest));
  std::vector<std::string> known;
  for (const auto& each : simulators::member(&manifest, "config")->GetArray()) {
    const rapidjson::Value* const env = simulators::member(&each, "env");
    for (const std::string& one : simulators::textsOf(env)) known.push_back(one);
    if (const std::string one = simulators::textOf(env); !one.empty()) known.push_back(one);
  }
  const std::string page = contentOf(CSDK_PROVIDER_PAGES "/" + name + ".md");
  for (const std::string& variable : theVendor().variables) {
    EXPECT_THAT(known, Contains(variable));
    EXPECT_THAT(page, HasSubstr("`" + variable));
  }
}

TEST_F(EveryVendorsSettings, WithCredentialsAloneItIsFoundAndItsOwnServiceIsAsked) {
  EXPECT_THAT(hostsAsked(theVendor().name, theVendor().credentials), ElementsAre(theVendor().home));
  EXPECT_THAT(alive(), IsEmpty());
}

TEST_F(EveryVendorsSettings, WithoutCredentialsTheErrorSaysWhatToExport) {
  try {
    compute_.setConfig(configOf(theVendor().name, {}, {}));
    compute_.sandbox().create();
    FAIL() << "nobody asked";
  } catch (const Error& error) {
    EXPECT_TRUE(error.info().code == ErrorCode::authMissing || error.info().code == ErrorCode::notConfigured ||
                error.info().code == ErrorCode::config)
        << formatError(error.info());
    EXPECT_THAT(formatError(error.info()), HasSubstr("export "));
  }
  EXPECT_EQ(requestCount(), 0U);
}

}  // namespace
}  // namespace computesdk::vendor::test
