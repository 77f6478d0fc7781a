#include "common/json.hpp"

#include "common/json_writer.hpp"

#include <computesdk/provider/error.hpp>
#include <computesdk/provider/views.hpp>

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace computesdk::vendor {
namespace {

using testing::HasSubstr;

std::string failureOf(const std::function<void()>& act) {
  try {
    act();
  } catch (const plugin::Error& error) {
    EXPECT_EQ(error.abi().error_class, CSDK_ERROR_PROTOCOL);
    return error.what();
  }
  return "nothing was thrown";
}

TEST(Json, Members) {
  const JsonDocument document = JsonDocument::parse(
      R"({"id":"a\u0000b","n":7,"s":"12","f":1.9,"t":true,"none":null,"list":[1,null,{"x":"y"}],"o":{"k":"v"}})", "it");
  const Json json = document.root();
  EXPECT_EQ(json.text("id"), std::string_view("a\0b", 3));
  EXPECT_EQ(json.integer("n"), 7);
  EXPECT_EQ(json.integer("s"), 12);
  EXPECT_EQ(json.integer("f"), 1);
  EXPECT_TRUE(json.booleanOr("t", false));
  EXPECT_EQ(json.textOr("none", "x"), "x");
  EXPECT_EQ(json.integerOr("absent", 3), 3);
  EXPECT_FALSE(json["absent"]["deeper"]);
  std::vector<std::string> items;
  for (const Json item : json["list"].items()) items.push_back(item.write());
  EXPECT_EQ(items, (std::vector<std::string>{"1", "null", R"({"x":"y"})"}));
  for (const auto& [key, value] : json["o"].members()) EXPECT_EQ(std::string(key) + std::string(*value.asText()), "kv");
  EXPECT_EQ(json["absent"].items().size(), 0U);
}

TEST(Json, WhatIsWrongIsNamed) {
  const JsonDocument document = JsonDocument::parse(R"({"id":5,"list":{},"big":1e300})", "E2B's answer to create");
  const Json json = document.root();
  EXPECT_EQ(failureOf([&] { static_cast<void>(json.text("id")); }), "E2B's answer to create has no 'id' that is text");
  EXPECT_EQ(failureOf([&] { static_cast<void>(json.text("x")); }), "E2B's answer to create has no 'x' that is text");
  EXPECT_THAT(failureOf([&] { static_cast<void>(json.textOr("id")); }), HasSubstr("'id'"));
  EXPECT_THAT(failureOf([&] { static_cast<void>(json.integer("big")); }), HasSubstr("'big'"));
  EXPECT_THAT(failureOf([&] { static_cast<void>(json["list"].items()); }), HasSubstr("an array was expected"));
  EXPECT_THAT(failureOf([&] { static_cast<void>(json["id"].at("x")); }), HasSubstr("an object was expected"));
}

TEST(Json, HostileTextsAreRefused) {
  const std::vector<std::string> texts = {
      "",
      "{",
      "[1,]",
      "{\"a\":}",
      "nul",
      "{} {}",
      "\"\xff\"",
      "\"\\ud800\"",
      "1e999",
      "NaN",
      "-",
      "\"",
      "{\"a\"",
      "[",
      "\x01",
      "{a:1}",
      "'x'",
      std::string(1, '\0'),
      std::string(100000, '['),
      std::string(65, '[') + std::string(65, ']'),
  };
  for (const std::string& text : texts) {
    EXPECT_THAT(failureOf([&] { JsonDocument::parse(text, "the answer"); }), HasSubstr("the answer is"))
        << text.substr(0, 20);
    EXPECT_FALSE(JsonDocument::tryParse(text));
  }
  EXPECT_TRUE(JsonDocument::tryParse(std::string(64, '[') + std::string(64, ']')));
}

TEST(Json, EachPrefixOfAnAnswerIsRefused) {
  const std::string whole = R"({"sandboxID":"i7t0","domain":null,"n":[1,2.5,"\u00e9"]})";
  for (std::size_t size = 0; size < whole.size(); ++size)
    EXPECT_FALSE(JsonDocument::tryParse(whole.substr(0, size))) << size;
}

TEST(JsonWriter, Bodies) {
  JsonValue body = JsonValue::object();
  const std::vector<csdk_pair> pairs = {{plugin::str("a.b"), plugin::str("\"\n")}};
  body.set("id", "x").set("n", 3).set("yes", true).set("half", 0.5).set("env", JsonValue::of({pairs.data(), 1}));
  body.set("list", JsonValue::array().push("p").push(1)).setText("absent", "").set("nothing", {});
  EXPECT_EQ(body.write(),
            R"({"id":"x","n":3,"yes":true,"half":0.5,"env":{"a.b":"\"\n"},"list":["p",1],"nothing":null})");
  body.set("id", "y").erase("list").erase("env").erase("half").erase("nothing");
  EXPECT_EQ(body.write(), R"({"id":"y","n":3,"yes":true})");
  EXPECT_THROW(JsonValue("\xff").write(), plugin::Error);
}

csdk_option option(std::string_view key, std::uint32_t kind, std::string_view text, std::int64_t number = 0) {
  csdk_option out{};
  out.key = plugin::str(key);
  out.kind = kind;
  out.s = plugin::bytes(text);
  out.i = number;
  return out;
}

TEST(JsonWriter, VendorOptionsGoWhereTheirDotsSay) {
  const std::vector<csdk_option> options = {
      option("autoPause", CSDK_OPTION_BOOL, "", 1), option("network.allowOut", CSDK_OPTION_JSON, R"(["1.1.1.1"])"),
      option("network.deep.n", CSDK_OPTION_I64, "", 4), option("user", CSDK_OPTION_STR, "root")};
  JsonValue body = JsonValue::object();
  body.set("timeout", 5);
  body.setOptions({options.data(), options.size()}, {"user"});
  EXPECT_EQ(body.write(), R"({"timeout":5,"autoPause":true,"network":{"allowOut":["1.1.1.1"],"deep":{"n":4}}})");
}

TEST(JsonWriter, VendorOptionsReplaceNothing) {
  for (const auto& bad : {option("timeout", CSDK_OPTION_I64, "", 9), option("timeout.x", CSDK_OPTION_I64, "", 9),
                          option("broken", CSDK_OPTION_JSON, "{"), option("raw", CSDK_OPTION_BYTES, "x")}) {
    JsonValue body = JsonValue::object();
    body.set("timeout", 5);
    EXPECT_THROW(body.setOptions({&bad, 1}), plugin::Error);
  }
}

}  // namespace
}  // namespace computesdk::vendor
