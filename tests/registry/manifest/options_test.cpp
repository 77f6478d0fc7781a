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
