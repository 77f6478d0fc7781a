#include "json.hpp"

namespace computesdk::local::rootfs {
namespace {

constexpr int kDeepestJson = 64;

int depthOf(std::string_view text) {
  int depth = 0, deepest = 0;
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c == '\\') ++i;
      if (c == '"') quoted = false;
    } else if (c == '"') {
      quoted = true;
    } else if (c == '{' || c == '[') {
      deepest = ++depth > deepest ? depth : deepest;
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  return deepest;
}

}  // namespace

Status parseJson(std::string_view text, const std::string& what, rapidjson::Document& document) {
  Error error{.kind = ErrorClass::kInvalidArgument, .message = what + " is no JSON object"};
  if (text.size() > kMostJson || depthOf(text) > kDeepestJson) return error;
  document.Parse<rapidjson::kParseIterativeFlag>(text.data(), text.size());
  if (document.HasParseError() || !document.IsObject()) return error;
  return okStatus();
}

std::string textAt(const rapidjson::Value& object, const char* name) {
  const auto found = object.FindMember(name);
  if (found == object.MemberEnd() || !found->value.IsString()) return {};
  return {found->value.GetString(), found->value.GetStringLength()};
}

const rapidjson::Value* arrayAt(const rapidjson::Value& object, const char* name) {
  const auto found = object.FindMember(name);
  return found != object.MemberEnd() && found->value.IsArray() ? &found->value : nullptr;
}

const rapidjson::Value* objectAt(const rapidjson::Value& object, const char* name) {
  const auto found = object.FindMember(name);
  return found != object.MemberEnd() && found->value.IsObject() ? &found->value : nullptr;
}

std::vector<std::string> textsAt(const rapidjson::Value& object, const char* name) {
  std::vector<std::string> texts;
  if (const rapidjson::Value* array = arrayAt(object, name)) {
    for (const auto& one : array->GetArray()) {
      if (one.IsString()) texts.emplace_back(one.GetString(), one.GetStringLength());
    }
  }
  return texts;
}

std::uint64_t numberAt(const rapidjson::Value& object, const char* name) {
  const auto found = object.FindMember(name);
  return found != object.MemberEnd() && found->value.IsUint64() ? found->value.GetUint64() : 0;
}

}  // namespace computesdk::local::rootfs
