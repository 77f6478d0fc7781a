#include "detect/config.hpp"

#include "support.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace computesdk::registry {
namespace {

using test::World;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

const char* const kE2b = R"("detect": {"any_of": [{"all_of": ["E2B_API_KEY"]}]},
  "setup": {"steps": ["sign up at https://e2b.dev", "export E2B_API_KEY=…"], "url": "https://e2b.dev/docs"},
  "config": [{"key": "api_key", "env": ["E2B_API_KEY", "E2B_OLD_KEY"], "secret": true, "prefix": "e2b_",
              "prefix_strict": true},
             {"key": "base_domain", "env": "E2B_DOMAIN", "default": "e2b.app"}],)";
const char* const kVercel = R"("detect": {"any_of": [{"all_of": ["OIDC"]}, {"all_of": ["TOKEN", "TEAM", "PROJECT"]}]},
  "config": [{"key": "oidc_token", "env": "OIDC", "secret": true,
              "jwt_claims": {"team_id": "owner_id", "project_id": "project_id"}},
             {"key": "token", "env": "TOKEN", "secret": true, "help": "a classic token"},
             {"key": "team_id", "env": "TEAM"}, {"key": "project_id", "env": "PROJECT"}],)";

struct ConfigTest : testing::Test {
  World world;
  SearchResult found;
  std::vector<std::string> warnings;

  void SetUp() override {
    world.install("e2b", kE2b);
    world.install("vercel", kVercel);
    world.install("codesandbox",
                  R"("config": [{"key": "api_key", "env": "CSB_API_KEY", "prefix": "csb_", "required": true}],)");
    found = search(world.options);
  }

  Result<ResolvedConfig> resolve(std::string_view name, const OptionMap& given = {}) {
    std::set<std::string, std::less<>> secretNames = {"E2B_API_KEY"};
    Variables variables(world.options, secretNames);
    for (const Found& one : found.found) {
      if (one.name == name) return resolveConfig(*one.manifest, given, variables, found, warnings);
    }
    throw std::runtime_error("not installed");
  }

  static std::vector<std::string> shown(const ResolvedConfig& config) {
    std::vector<std::string> out;
    for (const ConfigValue& one : config) {
      out.push_back(one.key + "=" + std::get<std::string>(one.value) + (one.secret ? " secret" : ""));
    }
    return out;
  }
};

TEST_F(ConfigTest, EnvironmentAndDefaults) {
  world.variables["E2B_API_KEY"] = "e2b_1";
  EXPECT_THAT(shown(resolve("e2b").value()), ElementsAre("api_key=e2b_1 secret", "base_domain=e2b.app"));
}

TEST_F(ConfigTest, FirstVariableThatIsSetCounts) {
  world.variables["E2B_OLD_KEY"] = "e2b_old";
  EXPECT_THAT(shown(resolve("e2b").value())[0], HasSubstr("e2b_old"));
  world.variables["E2B_API_KEY"] = "e2b_new";
  EXPECT_THAT(shown(resolve("e2b").value())[0], HasSubstr("e2b_new"));
}

TEST_F(ConfigTest, GivenOptionsWinInEitherSpelling) {
  world.variables["E2B_API_KEY"] = "e2b_env";
  EXPECT_THAT(shown(resolve("e2b", {{"apiKey", "e2b_a"}, {"base_domain", "x"}}).value()),
              ElementsAre("api_key=e2b_a secret", "base_domain=x"));
  EXPECT_THAT(shown(resolve("e2b", {{"api_key", "e2b_b"}, {"baseDomain", std::int64_t{7}}}).value()),
              ElementsAre("api_key=e2b_b secret", "base_domain=7"));
  EXPECT_THAT(shown(resolve("e2b", {{"apiKey", ""}}).value())[0], HasSubstr("e2b_env")) << "empty is not given";
}

TEST_F(ConfigTest, UnknownAndDoubleKeysAreErrors) {
  world.variables["E2B_API_KEY"] = "e2b_env";
  auto unknown = resolve("e2b", {{"apikey", "x"}});
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code, ErrorCode::config);
  EXPECT_EQ(unknown.error().fix, "did you mean apiKey?");
  EXPECT_THAT(resolve("e2b", {{"zzzzzzzz", "x"}}).error().fix, HasSubstr("apiKey and baseDomain"));
  EXPECT_THAT(resolve("e2b", {{"apiKey", "a"}, {"api_key", "b"}}).error().why, HasSubstr("given twice"));
}

TEST_F(ConfigTest, MissingCredentialShowsTheStepsNumbered) {
  auto result = resolve("e2b");
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::authMissing);
  EXPECT_EQ(result.error().what, "Missing e2b configuration");
  EXPECT_THAT(result.error().why, HasSubstr("apiKey (E2B_API_KEY or E2B_OLD_KEY)"));
  EXPECT_EQ(result.error().fix,
            "1. sign up at https://e2b.dev\n2. export E2B_API_KEY=…\n3. more: https://e2b.dev/docs");
}

TEST_F(ConfigTest, MissingCredentialListsEachAlternative) {
  world.variables["TEAM"] = "t";
  auto result = resolve("vercel");
  ASSERT_FALSE(result);
  EXPECT_THAT(result.error().why, HasSubstr("oidcToken (OIDC); or instead: token (TOKEN) and projectId (PROJECT)"));
  EXPECT_THAT(result.error().fix, HasSubstr("1. export OIDC=…"));
  EXPECT_EQ(resolve("codesandbox").error().code, ErrorCode::authMissing);
}

TEST_F(ConfigTest, GroupMayBeCompletedByOptions) {
  world.variables["TOKEN"] = "t";
  EXPECT_TRUE(resolve("vercel", {{"teamId", "a"}, {"projectId", "b"}}));
}

TEST_F(ConfigTest, ClaimsOfATokenFillWhatIsNotGiven) {
  // {"alg":"none"} . {"owner_id":"team_1","project_id":"prj_1"}
  world.variables["OIDC"] = "eyJhbGciOiJub25lIn0.eyJvd25lcl9pZCI6InRlYW1fMSIsInByb2plY3RfaWQiOiJwcmpfMSJ9.c2ln";
  world.variables["PROJECT"] = "prj_env";
  EXPECT_THAT(shown(resolve("vercel").value()),
              ElementsAre(HasSubstr("oidc_token="), "team_id=team_1", "project_id=prj_env"));
  for (const char* odd : {"x", "a.b", "..", "a.!!!.c", "a.W10.c", "a.e30.c", "a.eyJ.c"}) {
    world.variables["OIDC"] = odd;
    EXPECT_TRUE(resolve("vercel")) << odd;
  }
}

TEST_F(ConfigTest, ASettingGivesWayToWhatTheCallerGives) {
  world.install("acme", R"("detect": {"any_of": [{"all_of": ["ACME_OIDC"]}, {"all_of": ["ACME_TOKEN"]}]},
    "config": [{"key": "oidc", "env": "ACME_OIDC", "jwt_claims": {"ends": "exp"}, "unless_given": ["token"]},
               {"key": "token", "env": "ACME_TOKEN"}, {"key": "ends"}],)");
  found = search(world.options);
  world.variables["ACME_OIDC"] = "eyJhbGciOiJub25lIn0.eyJleHAiOjE3fQ.c2ln";  // {"exp":17}
  world.variables["ACME_TOKEN"] = "from the environment";
  EXPECT_THAT(shown(resolve("acme").value()), ElementsAre(HasSubstr("oidc="), "token=from the environment", "ends=17"));
  EXPECT_THAT(shown(resolve("acme", {{"token", std::string("mine")}}).value()), ElementsAre("token=mine"));
}

TEST_F(ConfigTest, WrongPrefixIsAnErrorOnlyWhereItIsStrict) {
  world.variables["E2B_API_KEY"] = "csb_value-that-is-secret";
  auto strict = resolve("e2b");
  ASSERT_FALSE(strict);
  EXPECT_EQ(strict.error().code, ErrorCode::authFormat);
  EXPECT_THAT(formatError(strict.error()),
              AllOf(HasSubstr("E2B_API_KEY"), HasSubstr("\"e2b_\""), HasSubstr("a key of codesandbox"),
                    Not(HasSubstr("value-that-is-secret"))));
  world.variables["CSB_API_KEY"] = "e2b_value-that-is-secret";
  EXPECT_TRUE(resolve("codesandbox"));
  EXPECT_THAT(warnings, ElementsAre(AllOf(HasSubstr("CSB_API_KEY"), HasSubstr("a key of e2b"),
                                          Not(HasSubstr("value-that-is-secret")))));
}

TEST_F(ConfigTest, LineBreaksInAKeyAreFound) {
  for (const char* key : {"e2b_x\n", "e2b_x\r\nHost: evil", "e2b_\x01"}) {
    world.variables["E2B_API_KEY"] = key;
    auto result = resolve("e2b");
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, ErrorCode::authFormat);
    EXPECT_THAT(result.error().why, HasSubstr("line break"));
    EXPECT_THAT(formatError(result.error()), Not(HasSubstr("evil")));
  }
}

TEST_F(ConfigTest, LinesAreTakenWhereTheManifestSaysSo) {
  world.install("acme", R"("detect": {"any_of": [{"all_of": ["ACME_KEY"]}]},
    "config": [{"key": "key", "env": "ACME_KEY", "secret": true, "lines": true}, {"key": "more", "lines": true}],)");
  found = search(world.options);
  world.variables["ACME_KEY"] = "k";
  EXPECT_TRUE(resolve("acme", {{"more", std::string("a: b\nc: d")}}));
  EXPECT_FALSE(resolve("acme", {{"more", std::string("a: b\rc: d")}}));
  world.variables["ACME_KEY"] = "k\nl";
  EXPECT_FALSE(resolve("acme"));
}

TEST_F(ConfigTest, OriginOfAFileIsNamed) {
  world.options.fileVariables = {{"E2B_API_KEY", {"bad", "./.env line 3"}}};
  EXPECT_THAT(resolve("e2b").error().what, HasSubstr("E2B_API_KEY (from ./.env line 3)"));
}

}  // namespace
}  // namespace computesdk::registry
