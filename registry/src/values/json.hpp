#pragma once

#include <computesdk/result.hpp>

#include <rapidjson/document.h>

#include <cstddef>
#include <string>
#include <string_view>

// The one way in which the registry turns text into JSON values.
namespace computesdk::registry {

struct JsonLimits {
  std::size_t maxBytes = 64 * 1024;
  int maxDepth = 64;
};

/// Parses without recursion: valid UTF-8, nothing after the value, no key twice in one object, within the limits.
/// Errors: E_INVALID_ARGUMENT whose `why` says what is wrong and where; the caller fills in the rest. Thread-safe.
Result<rapidjson::Document> parseJson(std::string_view text, const JsonLimits& limits);

/// Levels of arrays and objects, 0 for a plain value. The value is at most 64 levels deep.
int jsonDepth(const rapidjson::Value& value);

/// The value as compact text. The value is at most 64 levels deep.
std::string jsonText(const rapidjson::Value& value);

inline std::string_view jsonView(const rapidjson::Value& string) {
  return {string.GetString(), string.GetStringLength()};
}

}  // namespace computesdk::registry
