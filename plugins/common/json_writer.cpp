#include "common/json_writer.hpp"

#include <computesdk/provider/error.hpp>
#include <computesdk/provider/views.hpp>

#include <algorithm>

#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

namespace computesdk::vendor {
namespace {

using plugin::Error;
using plugin::view;

JsonValue valueOf(const csdk_option& option, std::string_view key) {
  switch (option.kind) {
    case CSDK_OPTION_BOOL: return {option.i != 0};
    case CSDK_OPTION_I64: return {option.i};
    case CSDK_OPTION_F64: return {option.d};
    case CSDK_OPTION_STR: return {plugin::text(option.s)};
    case CSDK_OPTION_JSON: return JsonValue::parse(plugin::text(option.s), "option '" + std::string(key) + "'");
    default: throw Error(CSDK_INVALID_ARGUMENT, "option '" + std::string(key) + "' is of a kind that JSON cannot hold");
  }
}

}  // namespace

JsonValue JsonValue::object() {
  JsonValue value;
  value.value_ = Members{};
  return value;
}

JsonValue JsonValue::array() {
  JsonValue value;
  value.value_ = Elements{};
  return value;
}

JsonValue JsonValue::of(csdk_pairs pairs) {
  JsonValue value = object();
  for (const csdk_pair& pair : view(pairs)) value.set(view(pair.key), view(pair.value));
  return value;
}

JsonValue JsonValue::of(csdk_strs list) {
  JsonValue value = array();
  for (const csdk_str& item : view(list)) value.push(view(item));
  return value;
}

JsonValue JsonValue::of(Json json) {
  if (const auto text = json.asText()) return {*text};
  if (const auto boolean = json.asBoolean()) return {*boolean};
  if (json.isInteger()) return {*json.asInteger()};
  if (const auto number = json.asNumber()) return {*number};
  if (json.isObject()) {
    JsonValue copy = object();
    auto& members = std::get<Members>(copy.value_);
    for (const auto& [key, value] : json.members()) members.emplace_back(std::string(key), of(value));
    return copy;
  }
  if (json.isArray()) {
    JsonValue copy = array();
    for (const Json item : json.items()) copy.push(of(item));
    return copy;
  }
  return {};
}

JsonValue JsonValue::parse(std::string_view json, std::string_view what) {
  const auto document = JsonDocument::tryParse(json);
  if (!document) throw Error(CSDK_INVALID_ARGUMENT, std::string(what) + " is no JSON");
  return of(document->root());
}

const JsonValue* JsonValue::find(std::string_view key) const noexcept {
  const auto* members = std::get_if<Members>(&value_);
  if (members == nullptr) return nullptr;
  const auto found = std::find_if(members->begin(), members->end(), [&](const auto& one) { return one.first == key; });
  return found == members->end() ? nullptr : &found->second;
}

JsonValue& JsonValue::at(std::string_view key) {
  if (isNull()) value_ = Members{};
  if (const JsonValue* found = find(key)) return *const_cast<JsonValue*>(found);
  return std::get<Members>(value_).emplace_back(std::string(key), JsonValue()).second;
}

JsonValue& JsonValue::set(std::string_view key, JsonValue value) {
  at(key) = std::move(value);
  return *this;
}

JsonValue& JsonValue::erase(std::string_view key) {
  if (auto* members = std::get_if<Members>(&value_))
    std::erase_if(*members, [&](const auto& one) { return one.first == key; });
  return *this;
}

JsonValue& JsonValue::push(JsonValue value) {
  if (isNull()) value_ = Elements{};
  std::get<Elements>(value_).push_back(std::move(value));
  return *this;
}

void JsonValue::setOptions(csdk_options options, std::initializer_list<std::string_view> skip) {
  for (const csdk_option& option : view(options)) {
    const std::string_view key = view(option.key);
    if (std::find(skip.begin(), skip.end(), key) != skip.end()) continue;
    JsonValue* place = this;
    for (std::string_view rest = key;;) {
      const std::size_t dot = rest.find('.');
      if (place->isNull()) *place = object();
      if (!place->isObject())
        throw Error(CSDK_INVALID_ARGUMENT, "option '" + std::string(key) + "' cannot be set here");
      place = &place->at(rest.substr(0, dot));
      if (dot == std::string_view::npos) break;
      rest.remove_prefix(dot + 1);
    }
    if (!place->isNull()) {
      throw Error(CSDK_INVALID_ARGUMENT, "option '" + std::string(key) + "' is set by an argument of the call already");
    }
    *place = valueOf(option, key);
  }
}

template <class Writer>
bool JsonValue::put(Writer& writer) const {
  if (isNull()) return writer.Null();
  if (const auto* boolean = std::get_if<bool>(&value_)) return writer.Bool(*boolean);
  if (const auto* integer = std::get_if<std::int64_t>(&value_)) return writer.Int64(*integer);
  if (const auto* number = std::get_if<double>(&value_)) return writer.Double(*number);
  if (const auto* text = std::get_if<std::string>(&value_)) {
    return writer.String(text->data(), static_cast<rapidjson::SizeType>(text->size()));
  }
  if (const auto* elements = std::get_if<Elements>(&value_)) {
    if (!writer.StartArray()) return false;
    for (const JsonValue& element : *elements) {
      if (!element.put(writer)) return false;
    }
    return writer.EndArray();
  }
  if (!writer.StartObject()) return false;
  for (const auto& [key, value] : std::get<Members>(value_)) {
    if (!writer.Key(key.data(), static_cast<rapidjson::SizeType>(key.size())) || !value.put(writer)) return false;
  }
  return writer.EndObject();
}

std::string JsonValue::write() const {
  rapidjson::StringBuffer buffer;
  rapidjson::Writer<rapidjson::StringBuffer, rapidjson::UTF8<>, rapidjson::UTF8<>, rapidjson::CrtAllocator,
                    rapidjson::kWriteValidateEncodingFlag>
      writer(buffer);
  if (!put(writer)) {
    throw Error(CSDK_INVALID_ARGUMENT, "a text is not UTF-8, or a number not finite, and JSON cannot hold it");
  }
  return {buffer.GetString(), buffer.GetSize()};
}

}  // namespace computesdk::vendor
