// The shapes in which the daemon answers, and the way in which it reads what it is asked.
#pragma once

#include <rapidjson/document.h>

#include <computesdk/error.hpp>
#include <computesdk/result.hpp>
#include <computesdk/serving/message.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace computesdk::sandboxd {

/// Writes one JSON object, field by field in their order. Strings become valid UTF-8 (invalid bytes as U+FFFD).
class JsonObject {
 public:
  JsonObject& text(std::string_view name, std::string_view value);
  JsonObject& number(std::string_view name, std::int64_t value);
  JsonObject& boolean(std::string_view name, bool value);
  /// A value that is JSON text already: an object, an array, null, a fraction.
  JsonObject& raw(std::string_view name, std::string_view json);
  /// Leaves the field out when there is no value, or when the text is empty.
  JsonObject& textIfAny(std::string_view name, std::string_view value);
  JsonObject& numberIfAny(std::string_view name, const std::optional<std::int64_t>& value);
  JsonObject& booleanIfAny(std::string_view name, const std::optional<bool>& value);

  /// The object, with its braces. Can be called again, also after more fields.
  [[nodiscard]] std::string str() const { return text_ + "}"; }

 private:
  void name(std::string_view name);
  std::string text_ = "{";
};

/// "[a,b]" of values that are JSON text.
std::string jsonArray(const std::vector<std::string>& items);
/// `["a","b"]`
std::string jsonStrings(const std::vector<std::string>& items);

/// Envelope E: {"message": …, "data": {…}}; servers and env files carry "status":"success" too.
serving::Response envelope(std::string_view message, std::string_view data, bool withStatus = false, int status = 200);
/// T: fields at top level.
serving::Response plain(std::string json, int status = 200);
/// {"error","code"} and, when there are any, "why", "fix", "retryable", "retry_after_ms". `error` is info.what, and the
/// status that of the code unless `status` says another (408, 413).
serving::Response failure(const ErrorInfo& info, int status = 0);

/// 400. `what` is the sentence that the user reads: "path must be a string".
ErrorInfo invalid(std::string what, std::string why = {}, std::string fix = {});
/// 404: "File not found: /x".
ErrorInfo missing(std::string what, std::string fix = {});
/// 409.
ErrorInfo conflicting(std::string what, std::string fix = {});

/// Parses JSON text of at most 64 levels without recursion. E_INVALID_ARGUMENT says what is wrong and where.
Result<rapidjson::Document> parseJson(std::string_view text);
/// The request's body as an object; an empty body is an empty object. Anything else: E_INVALID_ARGUMENT.
Result<rapidjson::Document> bodyOf(const serving::Request& request);

/// The same without a copy: texts of the document lie in the request's body, which is changed, and must outlive it.
Result<rapidjson::Document> bodyInPlace(serving::Request& request);

/// A field of an object; absent and null are the same. Of another type than asked for: E_INVALID_ARGUMENT names it.
Result<std::optional<std::string>> optionalText(const rapidjson::Value& object, std::string_view name);
Result<std::string> requiredText(const rapidjson::Value& object,
                                 std::string_view name);  ///< absent is an error, "" not
Result<std::optional<bool>> optionalBoolean(const rapidjson::Value& object, std::string_view name);
Result<std::optional<std::int64_t>> optionalInteger(const rapidjson::Value& object, std::string_view name);
/// Pairs of an object of strings, numbers and booleans (as text). Names that hold '=' or NUL, or are empty, are errors.
Result<std::vector<std::pair<std::string, std::string>>> optionalVariables(const rapidjson::Value& object,
                                                                           std::string_view name);
/// Array of strings; absent: empty.
Result<std::vector<std::string>> optionalTexts(const rapidjson::Value& object, std::string_view name);
/// The field, or null.
const rapidjson::Value* fieldOf(const rapidjson::Value& object, std::string_view name);
/// A string value's bytes, NUL bytes too.
inline std::string_view viewOf(const rapidjson::Value& string) {
  return {string.GetString(), string.GetStringLength()};
}

}  // namespace computesdk::sandboxd
