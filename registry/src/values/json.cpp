#include "values/json.hpp"

#include <rapidjson/error/en.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <algorithm>
#include <vector>

namespace computesdk::registry {
namespace {

/// Deepest nesting of a text, counted without building anything. Exact for valid JSON, and no less for any other text.
int textDepth(std::string_view text) {
  int depth = 0;
  int deepest = 0;
  bool inString = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (inString) {
      if (c == '\\') {
        ++i;
      } else if (c == '"') {
        inString = false;
      }
    } else if (c == '"') {
      inString = true;
    } else if (c == '{' || c == '[') {
      deepest = std::max(deepest, ++depth);
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  return deepest;
}

std::string position(std::string_view text, std::size_t offset) {
  offset = std::min(offset, text.size());
  auto head = text.substr(0, offset);
  auto line = 1 + std::count(head.begin(), head.end(), '\n');
  auto lineStart = head.rfind('\n');
  auto column = offset - (lineStart == std::string_view::npos ? 0 : lineStart + 1) + 1;
  return "line " + std::to_string(line) + ", column " + std::to_string(column);
}

/// A key that stands twice in one object, or an empty string.
std::string duplicateKey(const rapidjson::Value& value) {
  if (value.IsArray()) {
    for (const auto& item : value.GetArray()) {
      if (auto found = duplicateKey(item); !found.empty()) return found;
    }
  }
  if (!value.IsObject()) return {};
  std::vector<std::string_view> keys;
  keys.reserve(value.MemberCount());
  for (const auto& member : value.GetObject()) keys.push_back(jsonView(member.name));
  std::sort(keys.begin(), keys.end());
  auto twice = std::adjacent_find(keys.begin(), keys.end());
  if (twice != keys.end()) return twice->empty() ? "(empty)" : std::string(*twice);
  for (const auto& member : value.GetObject()) {
    if (auto found = duplicateKey(member.value); !found.empty()) return found;
  }
  return {};
}

ErrorInfo bad(std::string why) {
  ErrorInfo error;
  error.code = ErrorCode::invalidArgument;
  error.what = "cannot read JSON";
  error.why = std::move(why);
  return error;
}

}  // namespace

Result<rapidjson::Document> parseJson(std::string_view text, const JsonLimits& limits) {
  if (text.size() > limits.maxBytes) {
    return bad("it is " + std::to_string(text.size()) + " bytes long; " + std::to_string(limits.maxBytes) +
               " are allowed");
  }
  if (textDepth(text) > limits.maxDepth) {
    return bad("it is nested deeper than " + std::to_string(limits.maxDepth) + " levels");
  }
  // To the parser a NUL is the end, whatever comes after it.
  if (const auto nul = text.find('\0'); nul != std::string_view::npos) {
    return bad(position(text, nul) + ": a NUL byte, which no text file holds");
  }
  rapidjson::Document document;
  constexpr unsigned kFlags = rapidjson::kParseIterativeFlag | rapidjson::kParseValidateEncodingFlag;
  document.Parse<kFlags>(text.data(), text.size());
  if (document.HasParseError()) {
    std::string reason = rapidjson::GetParseError_En(document.GetParseError());
    if (!reason.empty() && reason.back() == '.') reason.pop_back();
    return bad(position(text, document.GetErrorOffset()) + ": " + reason);
  }
  if (auto key = duplicateKey(document); !key.empty()) return bad("the key \"" + key + "\" stands twice in one object");
  return document;
}

int jsonDepth(const rapidjson::Value& value) {
  int deepest = 0;
  if (value.IsArray()) {
    for (const auto& item : value.GetArray()) deepest = std::max(deepest, jsonDepth(item));
    return deepest + 1;
  }
  if (value.IsObject()) {
    for (const auto& member : value.GetObject()) deepest = std::max(deepest, jsonDepth(member.value));
    return deepest + 1;
  }
  return 0;
}

std::string jsonText(const rapidjson::Value& value) {
  rapidjson::StringBuffer buffer;
  rapidjson::Writer<rapidjson::StringBuffer> writer(buffer);
  value.Accept(writer);
  return {buffer.GetString(), buffer.GetSize()};
}

}  // namespace computesdk::registry
