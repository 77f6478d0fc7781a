#include <computesdk/registry/manifest.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

namespace computesdk::registry {
namespace {

using testing::HasSubstr;

Manifest withSchema(std::string schema) {
  Manifest manifest;
  manifest.name = "acme";
  manifest.optionsSchema = std::move(schema);
  return manifest;
}

const char* const kSchema = R"({"type": "object", "additionalProperties": false, "properties": {
  "region": {"type": "string", "enum": ["eu", "us"]},
  "resources": {"type": "object", "additionalProperties": false,
                "properties": {"vcpus": {"type": "integer", "minimum": 1, "maximum": 8}, "ratio": {"type": "number"}}},
  "tags": {"type": "array", "items": {"type": "string"}},
  "fast": {"type": "boolean"}}})";

TEST(Options, DottedKeysAreNestedObjects) {
  OptionMap options = {{"region", "eu"},
                       {"resources.vcpus", std::int64_t{4}},
                       {"fast", true},
                       {"resources.ratio", 0.5},
                       {"tags", Json{R"(["a", "b"])"}}};
  auto result = checkOptions(withSchema(kSchema), options);
  EXPECT_TRUE(result) << result.error().firstLine();
}

TEST(Options, NoneAndNoSchemaAlwaysFit) {
  EXPECT_TRUE(checkOptions(withSchema(kSchema), {}));
  EXPECT_TRUE(checkOptions(withSchema(""), {{"anything", "goes"}}));
}

struct BadOption {
  const char* key;
  OptionValue value;
  const char* what;
  const char* words;
};

TEST(Options, RefusesWithTheOptionNamed) {
  const BadOption cases[] = {
      {"region", "mars", "region", "\"eu\" or \"us\""},
      {"resources.vcpus", std::int64_t{9}, "resources.vcpus", "at most 8"},
      {"resources.vcpus", "4", "resources.vcpus", "an integer, not a string"},
      {"resources.vcpu", std::int64_t{4}, "resources.vcpu", "did you mean vcpus?"},
      {"regoin", "eu", "regoin", "did you mean region?"},
      {"tags", Json{"[1]"}, "tags[0]", "a string, not an integer"},
      {"tags", Json{"[1"}, "tags", "no JSON"},
      {"fast", std::numeric_limits<double>::infinity(), "fast", "finite"},
      {"", true, "''", "words"},
      {"a..b", true, "a..b", "words"},
      {".", true, ".", "words"},
  };
  for (const BadOption& one : cases) {
    auto result = checkOptions(withSchema(kSchema), {{one.key, one.value}});
    ASSERT_FALSE(result) << one.key;
    EXPECT_EQ(result.error().code, ErrorCode::invalidArgument);
    EXPECT_EQ(result.error().provider, "acme");
    if (*one.key != '\0') {
      EXPECT_THAT(result.error().what, HasSubstr(one.what));
    }
    EXPECT_THAT(result.error().why + " | " + result.error().fix, HasSubstr(one.words)) << one.key;
  }
}

TEST(Options, ValueAndObjectOfOneKeyClash) {
  auto result = checkOptions(withSchema(""), {{"a", true}, {"a.b", true}});
  ASSERT_FALSE(result);
  EXPECT_THAT(result.error().why, HasSubstr("given twice"));
}

TEST(Options, SchemasOfPluginsCannotHurt) {
  for (const char* schema : {R"({"$ref": "#"})", R"({"properties": {"a": {"$ref": "file:///etc/passwd"}}})",
                             R"({"properties": {"a": {"pattern": "((a{1000}){1000}){1000}"}}})",
                             R"({"patternProperties": {"a{999999999}": {}}})"}) {
    auto result = checkOptions(withSchema(schema), {{"a", "x"}});
    ASSERT_FALSE(result) << schema;
    EXPECT_EQ(result.error().code, ErrorCode::manifest);
  }
}

TEST(Options, PatternsThatTheMatcherWouldNotSurviveAreRefused) {
  std::string waysThroughNothing;
  for (int i = 0; i < 20; ++i) waysThroughNothing += "(a?|b?)";
  for (const std::string& pattern :
       {waysThroughNothing,   std::string("(a*)*"),       std::string("(a*)+"), std::string("(a?){2,}"),
        std::string("a**"),   std::string("{5}"),         std::string("^{5}"),  std::string("a|{5}"),
        std::string("(){5}"), std::string("("),           std::string("a)"),    std::string("a|"),
        std::string("[]"),    std::string("[a"),          std::string("a{2"),   std::string("a{3,2}"),
        std::string("a{0}"),  std::string("a{,2}"),       std::string("(?:a)"), std::string("\\\\d"),
        std::string("\\\\"),  std::string("(a*\\u0000)"), std::string()}) {
    auto result = checkOptions(withSchema(R"({"properties": {"a": {"pattern": ")" + pattern + R"("}}})"), {{"a", "x"}});
    ASSERT_FALSE(result) << pattern;
    EXPECT_EQ(result.error().code, ErrorCode::manifest);
    EXPECT_THAT(result.error().why, HasSubstr("pattern")) << pattern;
  }
}

TEST(Options, OrdinaryPatternsDecide) {
  struct {
    const char* pattern;
    const char* fits;
    const char* doesNot;
  } const cases[] = {
      {"^[a-z0-9][a-z0-9_-]*$", "eu-1", "EU"},   {R"(^[0-9]+\\.[0-9]+(\\.[0-9]+)?$)", "1.2.3", "1.2."},
      {"^(a|bc+|d{2,3})$", "ddd", "d"},          {"^(a|b?)$", "b", "c"},
      {"^((ab)+x{0,2}c)+$", "ababxcabc", "abx"}, {R"(^[\\]^]{3}.{1,}$)", "]^]!", "]^]"},
  };
  for (const auto& one : cases) {
    auto manifest = withSchema(std::string(R"({"properties": {"a": {"pattern": ")") + one.pattern + R"("}}})");
    auto result = checkOptions(manifest, {{"a", one.fits}});
    EXPECT_TRUE(result) << one.pattern << ": " << result.error().why;
    EXPECT_FALSE(checkOptions(manifest, {{"a", one.doesNot}})) << one.pattern;
  }
}

TEST(Options, OddSchemasAreSurvived) {
  for (const char* schema :
       {R"({"type": 5})", R"({"properties": 5})", R"({"enum": {}})", R"({"required": "a"})", R"({"items": [[]]})",
        R"({"anyOf": []})", R"({"anyOf": 3})", R"({"dependencies": {"a": ["b"]}})", R"({"not": {}})",
        R"({"pattern": "("})", R"({"properties": {"a": {"pattern": "[z-a"}}})", R"({"additionalProperties": 1})",
        R"({"minimum": "x"})"}) {
    auto result = checkOptions(withSchema(schema), {{"a", "x"}, {"b", Json{"[[1],{}]"}}});
    if (!result) {
      EXPECT_FALSE(result.error().why.empty()) << schema;
    }
  }
}

}  // namespace
}  // namespace computesdk::registry
