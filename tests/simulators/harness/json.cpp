#include "json.hpp"

#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <cstdio>

namespace computesdk::simulators {

std::string jsonText(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      char escaped[8];
      std::snprintf(escaped, sizeof escaped, "\\u%04x", static_cast<unsigned>(c));
      out += escaped;
    } else {
      out += c;
    }
  }
  return out += '"';
}

JsonObject& JsonObject::raw(std::string_view name, std::string_view json) {
  if (!members_.empty()) members_ += ',';
  members_.append(jsonText(name)).append(":").append(json);
  return *this;
}

JsonObject& JsonObject::add(std::string_view name, double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.6g", value);
  return raw(name, text);
}

JsonObject& JsonObject::add(std::string_view name, const std::map<std::string, std::string>& value) {
  JsonObject object;
  for (const auto& [key, text] : value) object.add(key, text);
  return raw(name, object.text());
}

std::string jsonArray(const std::vector<std::string>& values) {
  std::string out = "[";
  for (const std::string& value : values) {
    if (out.size() > 1) out += ',';
    out += value;
  }
  return out += ']';
}

std::string jsonStrings(const std::vector<std::string>& texts) {
  std::vector<std::string> values;
  for (const std::string& text : texts) values.push_back(jsonText(text));
  return jsonArray(values);
}

bool parseJson(std::string_view text, rapidjson::Document& document) {
  document.Parse<rapidjson::kParseIterativeFlag>(text.data(), text.size());
  return !document.HasParseError();
}

const rapidjson::Value* member(const rapidjson::Value* value, const char* name) {
  if (value == nullptr || !value->IsObject()) return nullptr;
  const auto found = value->FindMember(name);
  return found == value->MemberEnd() || found->value.IsNull() ? nullptr : &found->value;
}

std::string textOf(const rapidjson::Value* value, std::string_view otherwise) {
  if (value == nullptr || !value->IsString()) return std::string(otherwise);
  return {value->GetString(), value->GetStringLength()};
}

std::int64_t numberOf(const rapidjson::Value* value, std::int64_t otherwise) {
  if (value == nullptr || !value->IsNumber()) return otherwise;
  return value->IsInt64() ? value->GetInt64() : static_cast<std::int64_t>(value->GetDouble());
}

bool truthOf(const rapidjson::Value* value, bool otherwise) {
  return value != nullptr && value->IsBool() ? value->GetBool() : otherwise;
}

std::vector<std::string> textsOf(const rapidjson::Value* value) {
  std::vector<std::string> texts;
  if (value == nullptr || !value->IsArray()) return texts;
  for (const auto& each : value->GetArray()) texts.push_back(textOf(&each));
  return texts;
}

std::map<std::string, std::string> textMapOf(const rapidjson::Value* value) {
  std::map<std::string, std::string> texts;
  if (value == nullptr || !value->IsObject()) return texts;
  for (const auto& each : value->GetObject()) texts[textOf(&each.name)] = textOf(&each.value);
  return texts;
}

std::string jsonOf(const rapidjson::Value* value) {
  if (value == nullptr) return "null";
  rapidjson::StringBuffer buffer;
  rapidjson::Writer<rapidjson::StringBuffer> writer(buffer);
  value->Accept(writer);
  return {buffer.GetString(), buffer.GetSize()};
}

namespace {
constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
}

std::string base64(std::string_view bytes) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t count = bytes.size() - i < 3 ? bytes.size() - i : 3;
    std::uint32_t group = 0;
    for (std::size_t k = 0; k < 3; ++k) {
      group = group << 8 | (k < count ? static_cast<unsigned char>(bytes[i + k]) : 0U);
    }
    for (std::size_t k = 0; k < 4; ++k) out += k <= count ? kAlphabet[group >> (18 - 6 * k) & 63] : '=';
  }
  return out;
}

bool unbase64(std::string_view text, std::string& bytes) {
  while (!text.empty() && text.back() == '=') text.remove_suffix(1);
  if (text.size() % 4 == 1) return false;
  bytes.clear();
  std::uint32_t group = 0;
  int bits = 0;
  for (const char c : text) {
    const std::size_t value = kAlphabet.find(c);
    if (value == std::string_view::npos) return false;
    group = group << 6 | static_cast<std::uint32_t>(value);
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    bytes += static_cast<char>(group >> bits & 0xff);
  }
  return true;
}

}  // namespace computesdk::simulators
