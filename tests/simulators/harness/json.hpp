#pragma once

#include <rapidjson/document.h>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

// What simulators need of JSON: to write answers member by member, and to look into requests without trusting them.
namespace computesdk::simulators {

/// A JSON string with its quotes. Bytes from 0x80 on are handed through.
std::string jsonText(std::string_view text);

/// An object, member by member.
class JsonObject {
 public:
  JsonObject& add(std::string_view name, std::string_view value) { return raw(name, jsonText(value)); }
  JsonObject& add(std::string_view name, const char* value) { return add(name, std::string_view(value)); }
  JsonObject& add(std::string_view name, std::int64_t value) { return raw(name, std::to_string(value)); }
  JsonObject& add(std::string_view name, int value) { return raw(name, std::to_string(value)); }
  JsonObject& add(std::string_view name, double value);
  JsonObject& add(std::string_view name, bool value) { return raw(name, value ? "true" : "false"); }
  JsonObject& add(std::string_view name, const std::map<std::string, std::string>& value);
  /// `json` is a whole value.
  JsonObject& raw(std::string_view name, std::string_view json);
  [[nodiscard]] std::string text() const { return "{" + members_ + "}"; }

 private:
  std::string members_;
};

/// An array of values that are JSON already.
std::string jsonArray(const std::vector<std::string>& values);
std::string jsonStrings(const std::vector<std::string>& texts);

/// Parses with limits; false when it is no JSON.
bool parseJson(std::string_view text, rapidjson::Document& document);
/// Member of an object, or nullptr: also when `value` is null or no object.
const rapidjson::Value* member(const rapidjson::Value* value, const char* name);
std::string textOf(const rapidjson::Value* value, std::string_view otherwise = {});
std::int64_t numberOf(const rapidjson::Value* value, std::int64_t otherwise = 0);
bool truthOf(const rapidjson::Value* value, bool otherwise = false);
std::vector<std::string> textsOf(const rapidjson::Value* value);
std::map<std::string, std::string> textMapOf(const rapidjson::Value* value);
/// The value as JSON text; "null" for nullptr.
std::string jsonOf(const rapidjson::Value* value);

std::string base64(std::string_view bytes);
/// Bytes of standard base64, with or without padding. False: it is none.
bool unbase64(std::string_view text, std::string& bytes);

}  // namespace computesdk::simulators
