#pragma once

#include <computesdk/error.hpp>
#include <computesdk/types.hpp>

#include <rapidjson/document.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

// JSON in and out of the gateway.
namespace computesdk::gateway {

using JsonDocument = rapidjson::Document;
using JsonValue = rapidjson::Value;

/// Nothing unless `text` is one JSON value in UTF-8, at most 64 deep.
std::optional<JsonDocument> parseJson(std::string_view text);
std::string_view textOf(const JsonValue& value);
/// The member, or null.
const JsonValue* member(const JsonValue& object, std::string_view key);
std::string toText(const JsonValue& value);

/// Writes one JSON text. Invalid UTF-8 is replaced. Not thread-safe.
class JsonWriter {
 public:
  JsonWriter() : writer_(buffer_) {}
  JsonWriter& beginObject();
  JsonWriter& endObject();
  JsonWriter& beginArray();
  JsonWriter& endArray();
  JsonWriter& key(std::string_view name);
  JsonWriter& string(std::string_view value);
  JsonWriter& number(std::int64_t value);
  JsonWriter& boolean(bool value);
  JsonWriter& null();
  /// A value that is JSON already.
  JsonWriter& raw(std::string_view json);

  JsonWriter& field(std::string_view name, std::string_view value) { return key(name).string(value); }
  JsonWriter& field(std::string_view name, const char* value) { return key(name).string(value); }
  JsonWriter& field(std::string_view name, std::int64_t value) { return key(name).number(value); }
  JsonWriter& field(std::string_view name, bool value) { return key(name).boolean(value); }
  /// Left out when empty.
  JsonWriter& optionalField(std::string_view name, std::string_view value) {
    return value.empty() ? *this : field(name, value);
  }

  [[nodiscard]] std::string text() const { return {buffer_.GetString(), buffer_.GetSize()}; }

 private:
  rapidjson::StringBuffer buffer_;
  rapidjson::Writer<rapidjson::StringBuffer> writer_;
};

/// RFC 3339 in UTC with milliseconds: "2030-01-02T03:04:05.678Z".
std::string timeText(SystemTime time);
/// Bytes that are no UTF-8 become U+FFFD.
std::string cleanUtf8(std::string_view text);
bool isUtf8(std::string_view text) noexcept;

}  // namespace computesdk::gateway
