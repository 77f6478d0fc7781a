#include <rapidjson/error/en.h>

#include <cmath>

#include "core/answer.hpp"

namespace computesdk::sandboxd {
namespace {

constexpr int kMaxDepth = 64;
constexpr unsigned kParseFlags = rapidjson::kParseIterativeFlag | rapidjson::kParseValidateEncodingFlag;

/// Levels of brackets, counted without regard to whether the text is JSON.
bool tooDeep(std::string_view text) {
  int depth = 0;
  bool inString = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (inString) {
      if (c == '\\') ++i;
      if (c == '"') inString = false;
    } else if (c == '"') {
      inString = true;
    } else if (c == '{' || c == '[') {
      if (++depth > kMaxDepth) return true;
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  return false;
}

ErrorInfo tooDeepError() { return invalid("the JSON is nested deeper than 64 levels"); }

ErrorInfo notAnObject() { return invalid("the body must be a JSON object"); }

ErrorInfo notJson(const rapidjson::Document& document) {
  return invalid("the body is not valid JSON", std::string(rapidjson::GetParseError_En(document.GetParseError())) +
                                                   " At byte " + std::to_string(document.GetErrorOffset()) + ".");
}

ErrorInfo wrongType(std::string_view name, std::string_view type) {
  return invalid(std::string(name) + " must be " + std::string(type));
}

std::string numberText(const rapidjson::Value& value) {
  if (value.IsInt64()) return std::to_string(value.GetInt64());
  if (value.IsUint64()) return std::to_string(value.GetUint64());
  char buffer[40];
  std::snprintf(buffer, sizeof buffer, "%.17g", value.GetDouble());
  return buffer;
}

}  // namespace

Result<rapidjson::Document> parseJson(std::string_view text) {
  if (tooDeep(text)) return tooDeepError();
  rapidjson::Document document;
  document.Parse<kParseFlags>(text.data(), text.size());
  if (document.HasParseError()) return notJson(document);
  return document;
}

Result<rapidjson::Document> bodyOf(const serving::Request& request) {
  if (request.body.empty()) {
    rapidjson::Document empty;
    empty.SetObject();
    return empty;
  }
  auto parsed = parseJson(request.body);
  if (parsed && !parsed->IsObject()) return notAnObject();
  return parsed;
}

Result<rapidjson::Document> bodyInPlace(serving::Request& request) {
  // A NUL would end the text early; it is no JSON, and the other parser says so.
  if (request.body.empty() || request.body.find('\0') != std::string::npos) return bodyOf(request);
  if (tooDeep(request.body)) return tooDeepError();
  rapidjson::Document document;
  document.ParseInsitu<kParseFlags>(request.body.data());
  if (document.HasParseError()) return notJson(document);
  if (!document.IsObject()) return notAnObject();
  return document;
}

const rapidjson::Value* fieldOf(const rapidjson::Value& object, std::string_view name) {
  const auto at = object.FindMember(rapidjson::Value(rapidjson::StringRef(name.data(), name.size())));
  return at == object.MemberEnd() || at->value.IsNull() ? nullptr : &at->value;
}

Result<std::optional<std::string>> optionalText(const rapidjson::Value& object, std::string_view name) {
  const auto* value = fieldOf(object, name);
  if (value == nullptr) return std::optional<std::string>();
  if (!value->IsString()) return wrongType(name, "a string");
  return std::optional<std::string>(viewOf(*value));
}

Result<std::string> requiredText(const rapidjson::Value& object, std::string_view name) {
  auto value = optionalText(object, name);
  if (!value) return std::move(value).error();
  if (!*value) return invalid(std::string(name) + " is missing");
  return std::move(**value);
}

Result<std::optional<bool>> optionalBoolean(const rapidjson::Value& object, std::string_view name) {
  const auto* value = fieldOf(object, name);
  if (value == nullptr) return std::optional<bool>();
  if (!value->IsBool()) return wrongType(name, "true or false");
  return std::optional<bool>(value->GetBool());
}

Result<std::optional<std::int64_t>> optionalInteger(const rapidjson::Value& object, std::string_view name) {
  const auto* value = fieldOf(object, name);
  if (value == nullptr) return std::optional<std::int64_t>();
  if (value->IsInt64()) return std::optional<std::int64_t>(value->GetInt64());
  // Clients in JavaScript may write 1e3 or 80.0.
  if (value->IsDouble() && std::trunc(value->GetDouble()) == value->GetDouble() &&
      std::fabs(value->GetDouble()) < 9e15) {
    return std::optional<std::int64_t>(static_cast<std::int64_t>(value->GetDouble()));
  }
  return wrongType(name, "a whole number");
}

Result<std::vector<std::pair<std::string, std::string>>> optionalVariables(const rapidjson::Value& object,
                                                                           std::string_view name) {
  std::vector<std::pair<std::string, std::string>> out;
  const auto* value = fieldOf(object, name);
  if (value == nullptr) return out;
  if (!value->IsObject()) return wrongType(name, "an object of strings");
  for (const auto& member : value->GetObject()) {
    const auto key = viewOf(member.name);
    if (key.empty() || key.find('=') != std::string_view::npos || key.find('\0') != std::string_view::npos) {
      return invalid(std::string(name) + ": a variable's name must not be empty and must not hold '=' or NUL");
    }
    std::string text;
    if (member.value.IsNull()) continue;
    if (member.value.IsString()) {
      text = viewOf(member.value);
    } else if (member.value.IsNumber()) {
      text = numberText(member.value);
    } else if (member.value.IsBool()) {
      text = member.value.GetBool() ? "true" : "false";
    } else {
      return wrongType(std::string(name) + "." + std::string(key), "a string");
    }
    if (text.find('\0') != std::string::npos) {
      return invalid(std::string(name) + "." + std::string(key) + " must not hold NUL");
    }
    out.emplace_back(key, std::move(text));
  }
  return out;
}

Result<std::vector<std::string>> optionalTexts(const rapidjson::Value& object, std::string_view name) {
  std::vector<std::string> out;
  const auto* value = fieldOf(object, name);
  if (value == nullptr) return out;
  if (!value->IsArray()) return wrongType(name, "an array of strings");
  for (const auto& item : value->GetArray()) {
    if (!item.IsString()) return wrongType(name, "an array of strings");
    out.emplace_back(viewOf(item));
  }
  return out;
}

}  // namespace computesdk::sandboxd
