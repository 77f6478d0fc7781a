#include "core/json.hpp"

#include <cstdio>
#include <ctime>

namespace computesdk::gateway {
namespace {

constexpr int kMaxDepth = 64;

/// Whether brackets outside of texts nest at most kMaxDepth deep.
bool shallow(std::string_view text) {
  int depth = 0;
  bool quoted = false;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (quoted) {
      if (c == '\\') ++at;
      if (c == '"') quoted = false;
    } else if (c == '"') {
      quoted = true;
    } else if (c == '{' || c == '[') {
      if (++depth > kMaxDepth) return false;
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  return true;
}

/// Length of the UTF-8 character at the beginning of `text`, or 0.
std::size_t characterLength(std::string_view text) noexcept {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return 1;
  const std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  if (first == 0xe0 && byte(1) < 0xa0) return 0;
  if (first == 0xed && byte(1) > 0x9f) return 0;
  if (first == 0xf0 && byte(1) < 0x90) return 0;
  if (first == 0xf4 && byte(1) > 0x8f) return 0;
  return length;
}

rapidjson::SizeType size(std::string_view text) { return static_cast<rapidjson::SizeType>(text.size()); }

}  // namespace

std::optional<JsonDocument> parseJson(std::string_view text) {
  if (!shallow(text)) return std::nullopt;
  JsonDocument document;
  document.Parse<rapidjson::kParseIterativeFlag | rapidjson::kParseValidateEncodingFlag |
                 rapidjson::kParseFullPrecisionFlag>(text.data(), text.size());
  if (document.HasParseError()) return std::nullopt;
  return document;
}

std::string_view textOf(const JsonValue& value) { return {value.GetString(), value.GetStringLength()}; }

const JsonValue* member(const JsonValue& object, std::string_view key) {
  if (!object.IsObject()) return nullptr;
  const auto found = object.FindMember(JsonValue(rapidjson::StringRef(key.data(), key.size())));
  return found == object.MemberEnd() ? nullptr : &found->value;
}

std::string toText(const JsonValue& value) {
  rapidjson::StringBuffer buffer;
  rapidjson::Writer<rapidjson::StringBuffer> writer(buffer);
  value.Accept(writer);
  return {buffer.GetString(), buffer.GetSize()};
}

JsonWriter& JsonWriter::beginObject() {
  writer_.StartObject();
  return *this;
}
JsonWriter& JsonWriter::endObject() {
  writer_.EndObject();
  return *this;
}
JsonWriter& JsonWriter::beginArray() {
  writer_.StartArray();
  return *this;
}
JsonWriter& JsonWriter::endArray() {
  writer_.EndArray();
  return *this;
}
JsonWriter& JsonWriter::key(std::string_view name) {
  writer_.Key(name.data(), size(name));
  return *this;
}
JsonWriter& JsonWriter::string(std::string_view value) {
  if (isUtf8(value)) {
    writer_.String(value.data(), size(value));
  } else {
    const std::string clean = cleanUtf8(value);
    writer_.String(clean.data(), size(clean));
  }
  return *this;
}
JsonWriter& JsonWriter::number(std::int64_t value) {
  writer_.Int64(value);
  return *this;
}
JsonWriter& JsonWriter::boolean(bool value) {
  writer_.Bool(value);
  return *this;
}
JsonWriter& JsonWriter::null() {
  writer_.Null();
  return *this;
}
JsonWriter& JsonWriter::raw(std::string_view json) {
  writer_.RawValue(json.data(), json.size(), rapidjson::kObjectType);
  return *this;
}

std::string timeText(SystemTime time) {
  const auto sinceEpoch = time.time_since_epoch();
  const auto whole = std::chrono::floor<std::chrono::seconds>(sinceEpoch);
  const auto millis = std::chrono::duration_cast<std::chrono::milliseconds>(sinceEpoch - whole).count();
  const std::time_t stamp = whole.count();
  std::tm parts{};
  gmtime_r(&stamp, &parts);
  char text[64];
  const std::size_t length = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
  std::snprintf(text + length, sizeof text - length, ".%03dZ", static_cast<int>(millis));
  return text;
}

bool isUtf8(std::string_view text) noexcept {
  while (!text.empty()) {
    const std::size_t length = characterLength(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

std::string cleanUtf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const std::size_t length = characterLength(text);
    if (length == 0) out += "\xef\xbf\xbd";
    out += text.substr(0, length);
    text.remove_prefix(length == 0 ? 1 : length);
  }
  return out;
}

}  // namespace computesdk::gateway
