// Whose account it is, and what is said when that is not known.
#include "fixture.hpp"

namespace computesdk::vercel::test {
namespace {

using testing::HasSubstr;

class VercelSettings : public VercelTest {
 protected:
  /// {"owner_id":"team_sim0123456789","project_id":"prj_sim0123456789","exp":4102444800}
  static constexpr const char* kOidc =
      "eyJhbGciOiJub25lIn0."
      "eyJvd25lcl9pZCI6InRlYW1fc2ltMDEyMzQ1Njc4OSIsInByb2plY3RfaWQiOiJwcmpfc2ltMDEyMzQ1Njc4OSIsImV4cCI6NDEwMjQ0NDgwMH0"
      ".c2ln";
  /// {"owner_id":"team_sim0123456789","project_id":"prj_sim0123456789","exp":1}
  static constexpr const char* kExpired =
      "eyJhbGciOiJub25lIn0."
      "eyJvd25lcl9pZCI6InRlYW1fc2ltMDEyMzQ1Njc4OSIsInByb2plY3RfaWQiOiJwcmpfc2ltMDEyMzQ1Njc4OSIsImV4cCI6MX0"
      ".c2ln";
  static StringMap account() {
    return {{"VERCEL_TOKEN", std::string(kToken)},
            {"VERCEL_TEAM_ID", simulators::kVercelDefaultTeam},
            {"VERCEL_PROJECT_ID", simulators::kVercelDefaultProject}};
  }
};

TEST_F(VercelSettings, TheTokenOfAProjectIsEnough) {
  compute_.setConfig(configOf({{"VERCEL_OIDC_TOKEN", kOidc}}));
  const Sandbox sandbox = create();
  const auto sent = requests("POST", "/api/v3/sandboxes?");
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_EQ(sent[0].target, "/api/v3/sandboxes?teamId=team_sim0123456789");
  EXPECT_EQ(header(sent[0], "authorization"), std::string("Bearer ") + kOidc);
  EXPECT_THAT(sent[0].body, HasSubstr(R"("projectId":"prj_sim0123456789")"));
}

TEST_F(VercelSettings, TheTokenOfAProjectComesFirstAmongVariables) {
  StringMap variables = account();
  variables["VERCEL_OIDC_TOKEN"] = kOidc;
  compute_.setConfig(configOf(variables));
  const Sandbox sandbox = create();
  EXPECT_EQ(header(requests("POST", "/api/v3/").at(0), "authorization"), std::string("Bearer ") + kOidc);
}

TEST_F(VercelSettings, WhatTheProgramGivesComesBeforeTheTokenOfAProject) {
  StringMap variables = account();
  variables["VERCEL_OIDC_TOKEN"] = kExpired;
  ComputeConfig one = configOf(variables);
  one.options["token"] = std::string(kToken);
  compute_.setConfig(one);
  const Sandbox sandbox = create();
  EXPECT_EQ(header(requests("POST", "/api/v3/").at(0), "authorization"), "Bearer " + std::string(kToken));
}

TEST_F(VercelSettings, VariablesOfAnAccessToken) {
  compute_.setConfig(configOf(account()));
  const Sandbox sandbox = create();
  EXPECT_EQ(header(requests("POST", "/api/v3/").at(0), "authorization"), "Bearer " + std::string(kToken));
}

TEST_F(VercelSettings, EachThingThatIsMissingIsNamed) {
  for (const char* const variable : {"VERCEL_TOKEN", "VERCEL_TEAM_ID", "VERCEL_PROJECT_ID"}) {
    StringMap variables = account();
    variables.erase(variable);
    try {
      compute_.setConfig(configOf(variables));
      ADD_FAILURE() << variable;
    } catch (const Error& error) {
      EXPECT_EQ(error.info().code, ErrorCode::authMissing) << variable;
      EXPECT_THAT(formatError(error.info()), HasSubstr(variable));
    }
  }
  EXPECT_EQ(requestCount(), 0U);
}

TEST_F(VercelSettings, AnExpiredTokenSaysHowToGetANewOne) {
  compute_.setConfig(configOf({{"VERCEL_OIDC_TOKEN", kExpired}}));
  const ErrorInfo error = createError();
  EXPECT_EQ(error.code, ErrorCode::authRejected);
  EXPECT_THAT(error.fix, HasSubstr("vercel env pull"));
  EXPECT_EQ((error.what + error.why + error.fix).find("eyJhb"), std::string::npos);
}

TEST_F(VercelSettings, ATokenThatNamesNoProjectIsRefusedBeforeAnythingIsSent) {
  compute_.setConfig(configOf({{"VERCEL_OIDC_TOKEN", "eyJhbGciOiJub25lIn0.e30.c2ln"}}));
  const ErrorInfo error = createError();
  EXPECT_EQ(error.code, ErrorCode::authFormat);
  EXPECT_EQ(requestCount(), 0U);
}

TEST_F(VercelSettings, TheServicesUrlIsChecked) {
  for (const char* const url : {"vercel.com/api", "ftp://vercel.com", "https://"}) {
    ComputeConfig one = config();
    one.options["baseUrl"] = std::string(url);
    compute_.setConfig(one);
    EXPECT_FALSE(compute_.sandbox().create(nothrow)) << url;
  }
  ComputeConfig plain = config();
  plain.options["baseUrl"] = std::string("http://vercel.example/api");  // plain HTTP is for this machine only
  compute_.setConfig(plain);
  EXPECT_FALSE(compute_.sandbox().create(nothrow));
}

}  // namespace
}  // namespace computesdk::vercel::test
