#include "common/json.hpp"

#include <computesdk/provider/error.hpp>

#include <algorithm>
#include <charconv>
#include <cmath>

#include <rapidjson/document.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

namespace computesdk::vendor {
namespace {

constexpr int kDeepest = 64;
constexpr unsigned kFlags = rapidjson::kParseIterativeFlag | rapidjson::kParseValidateEncodingFlag;

const rapidjson::Value& real(const void* value) { return *static_cast<const rapidjson::Value*>(value); }

std::string_view textOf(const rapidjson::Value& value) { return {value.GetString(), value.GetStringLength()}; }

/// Brackets that are open at once at most, counted before anything is built.
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

plugin::Error protocolError(std::string message) {
  plugin::Error error(CSDK_UNAVAILABLE, std::move(message));
  error.errorClass(CSDK_ERROR_PROTOCOL);
  return error;
}

std::optional<std::int64_t> toInteger(const rapidjson::Value& value) {
  if (value.IsInt64()) return value.GetInt64();
  if (value.IsNumber()) {
    const double number = value.GetDouble();
    constexpr double kLimit = 9.2e18;
    if (!(std::fabs(number) < kLimit)) return {};
    return static_cast<std::int64_t>(number);
  }
  if (!value.IsString()) return {};
  const std::string_view digits = textOf(value);
  std::int64_t number = 0;
  const auto [end, failed] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (failed != std::errc() || end != digits.data() + digits.size()) return {};
  return number;
}

}  // namespace

struct JsonDocument::Data {
  // Chunks by the size of the text: RapidJSON's own 64 KiB for each short answer leave every thread's heap full of
  // holes.
  Data(std::size_t size, std::string name)
      : allocator(std::clamp(2 * size, std::size_t{512}, std::size_t{65536})),
        document(&allocator, 512),
        what(std::move(name)) {}

  rapidjson::MemoryPoolAllocator<> allocator;
  rapidjson::Document document;
  std::string what;
};

JsonDocument::JsonDocument(std::unique_ptr<Data> data) noexcept : data_(std::move(data)) {}
JsonDocument::JsonDocument(JsonDocument&&) noexcept = default;
JsonDocument& JsonDocument::operator=(JsonDocument&&) noexcept = default;
JsonDocument::~JsonDocument() = default;

JsonDocument JsonDocument::parse(std::string_view text, std::string what) {
  if (text.size() > kJsonMaxBytes)
    throw protocolError(what + " is longer than " + std::to_string(kJsonMaxBytes >> 20) + " MiB");
  if (depthOf(text) > kDeepest)
    throw protocolError(what + " is nested more than " + std::to_string(kDeepest) + " deep");
  auto data = std::make_unique<Data>(text.size(), std::move(what));
  data->document.Parse<kFlags>(text.data(), text.size());
  if (data->document.HasParseError()) {
    throw protocolError(data->what + " is no JSON (at byte " + std::to_string(data->document.GetErrorOffset()) +
                        " of " + std::to_string(text.size()) + ")");
  }
  return JsonDocument(std::move(data));
}

std::optional<JsonDocument> JsonDocument::tryParse(std::string_view text, std::string what) {
  if (text.empty() || text.size() > kJsonMaxBytes || depthOf(text) > kDeepest) return {};
  auto data = std::make_unique<Data>(text.size(), std::move(what));
  data->document.Parse<kFlags>(text.data(), text.size());
  if (data->document.HasParseError()) return {};
  return JsonDocument(std::move(data));
}

Json JsonDocument::root() const noexcept {
  const rapidjson::Value& value = data_->document;
  return value.IsNull() ? Json(nullptr, &data_->what) : Json(&value, &data_->what);
}

void Json::complain(std::string_view key, std::string_view wanted) const {
  const std::string what = what_ != nullptr ? *what_ : "the answer";
  if (key.empty()) throw protocolError(what + " is not what it should be: " + std::string(wanted) + " was expected");
  throw protocolError(what + " has no '" + std::string(key) + "' that is " + std::string(wanted));
}

bool Json::isObject() const noexcept { return value_ != nullptr && real(value_).IsObject(); }
bool Json::isArray() const noexcept { return value_ != nullptr && real(value_).IsArray(); }
bool Json::isText() const noexcept { return value_ != nullptr && real(value_).IsString(); }
bool Json::isNumber() const noexcept { return value_ != nullptr && real(value_).IsNumber(); }
bool Json::isInteger() const noexcept { return value_ != nullptr && real(value_).IsInt64(); }

Json Json::at(std::string_view key) const {
  if (value_ == nullptr) return {nullptr, what_};
  if (!isObject()) complain({}, "an object");
  const rapidjson::Value name(rapidjson::StringRef(key.data() != nullptr ? key.data() : "", key.size()));
  const auto found = real(value_).FindMember(name);
  if (found == real(value_).MemberEnd() || found->value.IsNull()) return {nullptr, what_};
  return {&found->value, what_};
}

std::string_view Json::text(std::string_view key) const {
  const auto found = at(key).asText();
  if (!found) complain(key, "text");
  return *found;
}

std::int64_t Json::integer(std::string_view key) const {
  const auto found = at(key).asInteger();
  if (!found) complain(key, "an integer");
  return *found;
}

std::string_view Json::textOr(std::string_view key, std::string_view otherwise) const {
  return at(key).present() ? text(key) : otherwise;
}

std::int64_t Json::integerOr(std::string_view key, std::int64_t otherwise) const {
  return at(key).present() ? integer(key) : otherwise;
}

bool Json::booleanOr(std::string_view key, bool otherwise) const {
  const Json member = at(key);
  if (!member.present()) return otherwise;
  const auto found = member.asBoolean();
  if (!found) complain(key, "true or false");
  return *found;
}

std::optional<std::string_view> Json::asText() const noexcept {
  return isText() ? std::optional(textOf(real(value_))) : std::nullopt;
}
std::optional<std::int64_t> Json::asInteger() const noexcept {
  return value_ != nullptr ? toInteger(real(value_)) : std::nullopt;
}
std::optional<double> Json::asNumber() const noexcept {
  return isNumber() ? std::optional(real(value_).GetDouble()) : std::nullopt;
}
std::optional<bool> Json::asBoolean() const noexcept {
  return value_ != nullptr && real(value_).IsBool() ? std::optional(real(value_).GetBool()) : std::nullopt;
}

Json::Items Json::items() const {
  Items items;
  if (value_ == nullptr) return items;
  if (!isArray()) complain({}, "an array");
  items.array_ = *this;
  items.size_ = real(value_).Size();
  return items;
}

Json Json::Items::get(std::size_t index) const {
  const rapidjson::Value& value = real(array_.value_)[static_cast<rapidjson::SizeType>(index)];
  return {value.IsNull() ? nullptr : &value, array_.what_};
}

Json::Members Json::members() const {
  Members members;
  if (value_ == nullptr) return members;
  if (!isObject()) complain({}, "an object");
  members.object_ = *this;
  members.size_ = real(value_).MemberCount();
  return members;
}

std::pair<std::string_view, Json> Json::Members::get(std::size_t index) const {
  const auto member = real(object_.value_).MemberBegin() + static_cast<std::ptrdiff_t>(index);
  return {textOf(member->name), Json(member->value.IsNull() ? nullptr : &member->value, object_.what_)};
}

std::string Json::write() const {
  if (value_ == nullptr) return "null";
  rapidjson::StringBuffer buffer;
  rapidjson::Writer<rapidjson::StringBuffer> writer(buffer);
  real(value_).Accept(writer);
  return {buffer.GetString(), buffer.GetSize()};
}

}  // namespace computesdk::vendor
