#include "detect/select.hpp"

#include "support.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace computesdk::registry {
namespace {

using test::World;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::string detect(std::initializer_list<const char*> groups, std::string_view config = "") {
  std::string out = "\"detect\": {\"any_of\": [";
  for (const char* group : groups) {
    out += (out.back() == '[' ? "" : ",") + std::string("{\"all_of\": [");
    for (std::string_view rest = group; !rest.empty();) {
      auto space = rest.find(' ');
      out += (out.back() == '[' ? "\"" : ",\"") + std::string(rest.substr(0, space)) + "\"";
      rest = space == std::string_view::npos ? "" : rest.substr(space + 1);
    }
    out += "]}";
  }
  return out + "]}," + std::string(config);
}

/// The documented providers, `local`, and two of other makers.
struct SelectTest : testing::Test {
  World world;
  SearchResult found;
  Policy policy;
  std::set<std::string, std::less<>> secretNames = {"E2B_API_KEY", "E2B_URL", "COMPUTESDK_API_KEY"};

  void SetUp() override {
    world.install(
        "e2b",
        detect(
            {"E2B_API_KEY"},
            R"("config":[{"key":"api_key","env":"E2B_API_KEY","secret":true,"prefix":"e2b_","prefix_strict":true}],)"));
    world.install("railway", detect({"RAILWAY_API_KEY RAILWAY_PROJECT_ID RAILWAY_ENVIRONMENT_ID"}));
    world.install("daytona", detect({"DAYTONA_API_KEY"}));
    world.install("modal", detect({"MODAL_TOKEN_ID MODAL_TOKEN_SECRET"}));
    world.install("vercel", detect({"VERCEL_OIDC_TOKEN", "VERCEL_TOKEN VERCEL_TEAM_ID VERCEL_PROJECT_ID"}));
    world.install("codesandbox",
                  detect({"CSB_API_KEY"}, R"("config":[{"key":"api_key","env":"CSB_API_KEY","prefix":"csb_"}],)"));
    world.install("alpha", detect({"ALPHA_KEY"}, "\"priority\": 1000,"), "system");
    world.install("beta", detect({"BETA_KEY"}), "system");
    world.install("named", "");
    world.install("local", "\"detect\": {\"always\": true},");
  }

  Detection run(std::optional<std::string_view> name = {}) {
    found = search(world.options);
    Variables variables(world.options, secretNames);
    return selectProvider({world.options, policy, found, variables}, name);
  }

  void set(std::initializer_list<const char*> names) {
    for (const char* name : names) world.variables[name] = "value-that-is-secret";
  }

  static Candidate candidate(const Detection& detection, std::string_view name) {
    auto it = std::find_if(detection.candidates.begin(), detection.candidates.end(),
                           [&](const Candidate& one) { return one.name == name; });
    return it == detection.candidates.end() ? Candidate{} : *it;
  }

  /// Nothing that detection says may hold a value.
  static void expectNoValues(const Detection& detection) {
    std::string all = detection.error ? formatError(*detection.error) : "";
    for (const Candidate& one : detection.candidates) all += one.why;
    for (const std::string& one : detection.warnings) all += one;
    EXPECT_THAT(all, testing::Not(HasSubstr("value-that-is-secret")));
  }
};

struct Row {
  const char* name;
  std::vector<const char*> variables;
  const char* selected;  ///< null: an error
  ErrorCode error = ErrorCode::internal;
  std::size_t warnings = 0;
};

class SelectTable : public SelectTest, public testing::WithParamInterface<Row> {};

TEST_P(SelectTable, Chooses) {
  const Row& row = GetParam();
  for (const char* text : row.variables) {
    std::string_view variable = text;
    auto equals = variable.find('=');
    auto value = equals == std::string_view::npos ? "value-that-is-secret" : variable.substr(equals + 1);
    world.variables[std::string(variable.substr(0, equals))] = value;
  }
  Detection detection = run();
  expectNoValues(detection);
  if (row.selected != nullptr) {
    ASSERT_FALSE(detection.error) << formatError(*detection.error);
    EXPECT_EQ(detection.selected, row.selected);
    EXPECT_EQ(detection.candidates.front().name, row.selected);
    EXPECT_EQ(detection.candidates.front().state, CandidateState::selected);
  } else {
    EXPECT_FALSE(detection.selected);
    ASSERT_TRUE(detection.error);
    EXPECT_EQ(codeName(detection.error->code), codeName(row.error));
    EXPECT_FALSE(detection.error->what.empty() || detection.error->why.empty() || detection.error->fix.empty());
  }
  EXPECT_EQ(detection.warnings.size(), row.warnings) << testing::PrintToString(detection.warnings);
}

INSTANTIATE_TEST_SUITE_P(
    Rules, SelectTable,
    testing::Values(
        Row{"NothingSetIsLocal", {}, "local"},  //
        Row{"OneKey", {"DAYTONA_API_KEY"}, "daytona"}, Row{"EmptyIsUnset", {"DAYTONA_API_KEY="}, "local"},
        Row{"PriorityDecides", {"DAYTONA_API_KEY", "MODAL_TOKEN_ID", "MODAL_TOKEN_SECRET"}, "daytona"},
        Row{"WholeGroupOnly",
            {"RAILWAY_API_KEY", "RAILWAY_PROJECT_ID", "RAILWAY_ENVIRONMENT_ID", "DAYTONA_API_KEY"},
            "railway"},
        Row{"EitherGroup", {"VERCEL_OIDC_TOKEN"}, "vercel"},
        Row{"OtherGroup", {"VERCEL_TOKEN", "VERCEL_TEAM_ID", "VERCEL_PROJECT_ID"}, "vercel"},
        Row{"HalfSetKeepsLocalOut", {"MODAL_TOKEN_ID"}, nullptr, ErrorCode::authMissing},
        Row{"HalfSetBesideACompleteOneWarns", {"MODAL_TOKEN_ID", "DAYTONA_API_KEY"}, "daytona", ErrorCode::internal, 1},
        Row{"HalfSetOfHigherPriorityWarnsToo",
            {"RAILWAY_API_KEY", "DAYTONA_API_KEY"},
            "daytona",
            ErrorCode::internal,
            1},
        Row{"TieOfOthers", {"ALPHA_KEY", "BETA_KEY"}, nullptr, ErrorCode::providerTie},
        Row{"OthersComeAfterTheDocumented", {"ALPHA_KEY", "DAYTONA_API_KEY"}, "daytona"},
        Row{"OtherAlone", {"BETA_KEY"}, "beta"},
        Row{"TieBelowTheFirstIsNone", {"ALPHA_KEY", "BETA_KEY", "DAYTONA_API_KEY"}, "daytona"},
        Row{"VariableNames",
            {"COMPUTESDK_PROVIDER=modal", "MODAL_TOKEN_ID", "MODAL_TOKEN_SECRET", "DAYTONA_API_KEY"},
            "modal"},
        Row{"VariableInAnyCase", {"COMPUTESDK_PROVIDER=LOCAL", "DAYTONA_API_KEY"}, "local"},
        Row{"VariableWithoutCredentialsWarnsAndDetects",
            {"COMPUTESDK_PROVIDER=modal", "DAYTONA_API_KEY"},
            "daytona",
            ErrorCode::internal,
            1},
        Row{"VariableWithoutCredentialsAndNothingElse", {"COMPUTESDK_PROVIDER=modal"}, "local", ErrorCode::internal, 1},
        Row{"VariableHalfSet", {"COMPUTESDK_PROVIDER=modal", "MODAL_TOKEN_ID"}, nullptr, ErrorCode::authMissing, 1},
        Row{"VariableUnknownWarnsAndDetects",
            {"COMPUTESDK_PROVIDER=e2c", "DAYTONA_API_KEY"},
            "daytona",
            ErrorCode::internal,
            1},
        Row{"VariableSettlesATie", {"COMPUTESDK_PROVIDER=beta", "ALPHA_KEY", "BETA_KEY"}, "beta"},
        Row{"VariableNamesOneWithoutVariables", {"COMPUTESDK_PROVIDER=named"}, "named"},
        Row{"KeyWithoutUrlWarns", {"COMPUTESDK_API_KEY", "DAYTONA_API_KEY"}, "daytona", ErrorCode::internal, 1},
        Row{"KeyWithoutUrlLocalLast", {"COMPUTESDK_API_KEY"}, "local", ErrorCode::internal, 1},
        Row{"UrlWithoutKeyIsDirect", {"COMPUTESDK_GATEWAY_URL=http://g", "DAYTONA_API_KEY"}, "daytona"}),
    [](const auto& info) { return std::string(info.param.name); });

TEST_F(SelectTest, TieNamesBothAndTheCommand) {
  set({"ALPHA_KEY", "BETA_KEY"});
  Detection detection = run();
  EXPECT_THAT(detection.error->why, HasSubstr("alpha and beta are both configured"));
  EXPECT_THAT(detection.error->fix,
              AllOf(HasSubstr("export COMPUTESDK_PROVIDER=alpha"), HasSubstr("--provider alpha")));
  EXPECT_EQ(candidate(detection, "alpha").state, CandidateState::ready);
}

TEST_F(SelectTest, UsersPrioritiesDecide) {
  set({"ALPHA_KEY", "BETA_KEY", "DAYTONA_API_KEY"});
  world.options.priorities = {{"beta", 95}};
  EXPECT_EQ(run().selected, "beta");
}

TEST_F(SelectTest, HalfSetNamesWhatIsMissing) {
  set({"MODAL_TOKEN_ID"});
  Detection detection = run();
  EXPECT_EQ(detection.error->what, "Missing modal configuration");
  EXPECT_THAT(detection.error->why, HasSubstr("MODAL_TOKEN_ID set, MODAL_TOKEN_SECRET missing"));
  EXPECT_THAT(detection.error->fix, AllOf(HasSubstr("export MODAL_TOKEN_SECRET="), HasSubstr("unset MODAL_TOKEN_ID"),
                                          HasSubstr("COMPUTESDK_PROVIDER=local")));
  EXPECT_EQ(candidate(detection, "modal").state, CandidateState::incomplete);
  EXPECT_EQ(candidate(detection, "modal").missing, std::vector<std::string>{"MODAL_TOKEN_SECRET"});
  EXPECT_EQ(candidate(detection, "e2b").state, CandidateState::absent);
}

TEST_F(SelectTest, EveryCandidateSaysWhyItLost) {
  set({"DAYTONA_API_KEY", "VERCEL_OIDC_TOKEN"});
  Detection detection = run();
  EXPECT_THAT(candidate(detection, "daytona").why, HasSubstr("DAYTONA_API_KEY set; first in priority"));
  EXPECT_THAT(candidate(detection, "vercel").why, HasSubstr("daytona comes first (priority 80 over 65)"));
  EXPECT_THAT(candidate(detection, "e2b").why, HasSubstr("E2B_API_KEY not set"));
  EXPECT_THAT(candidate(detection, "named").why, HasSubstr("only when it is named"));
  EXPECT_EQ(candidate(detection, "local").state, CandidateState::ready);
}

TEST_F(SelectTest, WarningsOfTheVariableNameWhatIsNeeded) {
  world.variables["COMPUTESDK_PROVIDER"] = "modal";
  EXPECT_THAT(run().warnings, ElementsAre(AllOf(HasSubstr("COMPUTESDK_PROVIDER names modal"),
                                                HasSubstr("MODAL_TOKEN_ID"), HasSubstr("MODAL_TOKEN_SECRET"))));
  world.variables["COMPUTESDK_PROVIDER"] = "daytna";
  EXPECT_THAT(run().warnings, ElementsAre(HasSubstr("did you mean daytona?")));
}

TEST_F(SelectTest, ExplicitNameWinsAndMayLackCredentials) {
  set({"DAYTONA_API_KEY"});
  world.variables["COMPUTESDK_PROVIDER"] = "local";
  Detection detection = run("modal");
  EXPECT_EQ(detection.selected, "modal");
  EXPECT_THAT(detection.warnings, IsEmpty());
}

TEST_F(SelectTest, UnknownExplicitNameIsAnErrorWithAProposal) {
  Detection detection = run("e2bb");
  EXPECT_EQ(detection.error->what, "Unknown provider: e2bb");
  EXPECT_EQ(detection.error->code, ErrorCode::unknownProvider);
  EXPECT_EQ(detection.error->fix, "did you mean e2b?");
  EXPECT_THAT(run("kubernetes").error->why, HasSubstr("installed are alpha, beta"));
  EXPECT_THAT(run("\x1b[0m").error->what, HasSubstr("\\x1b"));
}

TEST_F(SelectTest, ConfigurationFileComesAfterTheVariable) {
  set({"DAYTONA_API_KEY"});
  world.options.configuredProvider = "modal";
  EXPECT_EQ(run().selected, "modal");
  world.variables["COMPUTESDK_PROVIDER"] = "daytona";
  EXPECT_EQ(run().selected, "daytona");
  world.variables.erase("COMPUTESDK_PROVIDER");
  world.options.configuredProvider = "nosuch";
  EXPECT_EQ(run().error->code, ErrorCode::unknownProvider);
}

TEST_F(SelectTest, PolicyAndConfigurationDeny) {
  set({"DAYTONA_API_KEY", "VERCEL_OIDC_TOKEN"});
  policy.deny = {"daytona"};
  policy.file = "/etc/computesdk/policy.json";
  Detection detection = run();
  EXPECT_EQ(detection.selected, "vercel");
  EXPECT_EQ(candidate(detection, "daytona").state, CandidateState::denied);
  EXPECT_EQ(run("daytona").error->code, ErrorCode::policy);
  world.options.allow = {"local"};
  EXPECT_EQ(run().selected, "local");
}

TEST_F(SelectTest, NotConfiguredWhenLocalIsDenied) {
  world.options.deny = {"local"};
  Detection detection = run();
  ASSERT_TRUE(detection.error);
  EXPECT_EQ(detection.error->code, ErrorCode::notConfigured);
  EXPECT_THAT(detection.error->firstLine(), AllOf(HasSubstr("No ComputeSDK configuration found"),
                                                  HasSubstr("COMPUTESDK_API_KEY"), HasSubstr("E2B_API_KEY")));
  EXPECT_THAT(detection.error->fix, AllOf(HasSubstr("zero-config"), HasSubstr("setConfig"), HasSubstr("gateway")));
  EXPECT_THAT(detection.error->why, HasSubstr("local: denied"));
}

TEST_F(SelectTest, KeyWithoutProviderWhenLocalIsDenied) {
  world.options.deny = {"local"};
  set({"COMPUTESDK_API_KEY"});
  Detection detection = run();
  EXPECT_EQ(detection.error->what, "COMPUTESDK_API_KEY is set but no provider detected");
  EXPECT_THAT(detection.error->why,
              AllOf(HasSubstr("e2b: 0/1 credentials (missing E2B_API_KEY)"), HasSubstr("railway: 0/3 credentials")));
  EXPECT_THAT(detection.error->fix, HasSubstr("COMPUTESDK_PROVIDER"));
}

TEST_F(SelectTest, ConfiguredButUnloadableKeepsLocalOut) {
  std::filesystem::remove(world.folder.path() / "product/libdaytona.so");
  set({"DAYTONA_API_KEY"});
  Detection detection = run();
  ASSERT_TRUE(detection.error);
  EXPECT_EQ(detection.error->code, ErrorCode::pluginLoad);
  EXPECT_THAT(detection.error->why, HasSubstr("libdaytona.so not found"));
  EXPECT_EQ(candidate(detection, "daytona").state, CandidateState::unloadable);
  set({"E2B_API_KEY"});
  world.variables["E2B_API_KEY"] = "e2b_x";
  detection = run();
  EXPECT_EQ(detection.selected, "e2b");
  EXPECT_THAT(detection.warnings, ElementsAre(HasSubstr("daytona is configured but cannot be loaded")));
}

TEST_F(SelectTest, ForeignPrefixIsNamed) {
  world.variables["E2B_API_KEY"] = "csb_value-that-is-secret";
  Detection detection = run();
  EXPECT_EQ(detection.selected, "e2b");
  EXPECT_THAT(detection.warnings, IsEmpty());
  EXPECT_THAT(detection.notes, ElementsAre(AllOf(HasSubstr("E2B_API_KEY does not start with \"e2b_\""),
                                                 HasSubstr("a key of codesandbox"))));
  expectNoValues(detection);
}

TEST_F(SelectTest, NoneOfRulesOut) {
  world.install("daytona", R"("detect": {"any_of": [{"all_of": ["DAYTONA_API_KEY"]}], "none_of": ["NO_DAYTONA"]},)");
  set({"DAYTONA_API_KEY", "NO_DAYTONA"});
  Detection detection = run();
  EXPECT_EQ(detection.selected, "local");
  EXPECT_THAT(candidate(detection, "daytona").why, HasSubstr("NO_DAYTONA is set"));
}

TEST_F(SelectTest, BadAndShadowedManifestsAreShown) {
  world.folder.write("product/broken.provider.json", "{");
  world.install("local", "", "system");
  Detection detection = run();
  EXPECT_EQ(candidate(detection, "broken").state, CandidateState::unloadable);
  auto shadowed = std::count_if(detection.candidates.begin(), detection.candidates.end(),
                                [](const Candidate& one) { return one.state == CandidateState::shadowed; });
  EXPECT_EQ(shadowed, 1);
  EXPECT_EQ(run("broken").error->code, ErrorCode::manifest);
}

TEST_F(SelectTest, SecretsOfAFileCountButNoAddresses) {
  world.options.fileVariables = {{"E2B_API_KEY", {"e2b_key", "./.env line 3"}}};
  Detection detection = run();
  EXPECT_EQ(detection.selected, "e2b");
  EXPECT_THAT(candidate(detection, "e2b").why, HasSubstr("E2B_API_KEY (from ./.env line 3) set"));
  world.options.fileVariables = {{"DAYTONA_API_KEY", {"x", "./.env"}},
                                 {"COMPUTESDK_PROVIDER", {"beta", "./.env"}},
                                 {"E2B_URL", {"http://evil", "./.env"}},
                                 {"COMPUTESDK_API_KEY", {"x", "./.env"}}};
  detection = run();
  EXPECT_EQ(detection.selected, "local") << "no manifest calls DAYTONA_API_KEY a secret";
  EXPECT_THAT(detection.warnings, IsEmpty());
}

struct GatewayTest : SelectTest {
  void SetUp() override {
    SelectTest::SetUp();
    set({"COMPUTESDK_API_KEY"});
    world.variables["COMPUTESDK_GATEWAY_URL"] = "https://user:value-that-is-secret@gw.example.org:8080/base";
  }
};

TEST_F(GatewayTest, CarrierIsFoundLikeAProvider) {
  set({"DAYTONA_API_KEY", "VERCEL_OIDC_TOKEN"});
  Detection detection = run();
  ASSERT_TRUE(detection.gateway);
  EXPECT_EQ(detection.gateway->carrier, "daytona");
  EXPECT_EQ(detection.gateway->url, "https://gw.example.org:8080/base");
  EXPECT_EQ(detection.gateway->urlVariable, "COMPUTESDK_GATEWAY_URL");
  EXPECT_FALSE(detection.selected);
  EXPECT_THAT(detection.error->why, HasSubstr("no usable provider named gateway"));
  expectNoValues(detection);
  world.install("gateway", "");
  EXPECT_EQ(run().selected, "gateway");
}

TEST_F(GatewayTest, ComputesdkIsAlwaysACarrier) {
  world.variables["COMPUTESDK_PROVIDER"] = "computesdk";
  world.install("gateway", "");
  Detection detection = run();
  EXPECT_EQ(detection.gateway->carrier, "computesdk");
  EXPECT_EQ(detection.selected, "gateway");
}

TEST_F(GatewayTest, NoCarrierIsThePromisedError) {
  world.install("gateway", "");
  Detection detection = run();
  EXPECT_EQ(detection.error->what, "COMPUTESDK_API_KEY is set but no provider detected");
  EXPECT_FALSE(detection.selected) << "local is not a carrier";
}

TEST_F(GatewayTest, AliasOfTheUrl) {
  world.variables.erase("COMPUTESDK_GATEWAY_URL");
  world.variables["COMPUTESDK_TRIBUTARY_URL"] = "http://gw";
  set({"DAYTONA_API_KEY"});
  EXPECT_EQ(run().gateway->urlVariable, "COMPUTESDK_TRIBUTARY_URL");
}

TEST_F(GatewayTest, BadUrlIsThePromisedError) {
  for (const char* url : {"gw", "ftp://gw", "http://", "https:///x", "http://a b", "http://@", "http://:80"}) {
    world.variables["COMPUTESDK_GATEWAY_URL"] = url;
    Detection detection = run();
    ASSERT_TRUE(detection.error) << url;
    EXPECT_THAT(detection.error->what, HasSubstr("Invalid gateway URL: \"")) << url;
    EXPECT_THAT(detection.error->why, HasSubstr("COMPUTESDK_GATEWAY_URL"));
  }
}

TEST_F(GatewayTest, ExplicitNameIsDirect) {
  Detection detection = run("local");
  EXPECT_EQ(detection.selected, "local");
  EXPECT_FALSE(detection.gateway);
}

}  // namespace
}  // namespace computesdk::registry
