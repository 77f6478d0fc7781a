#include "daemon/json.hpp"

#include <rapidjson/reader.h>

#include <charconv>
#include <chrono>
#include <cmath>

namespace computesdk::detail {
namespace {

constexpr int kMaxDepth = 64;

rapidjson::SizeType sizeOf(std::string_view text) { return static_cast<rapidjson::SizeType>(text.size()); }

/// Counts levels, so that what is too deep is refused before it is built; values are destroyed by recursion.
bool shallowEnough(std::string_view text) {
  int depth = 0;
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c == '\\') ++i;
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

bool digits(std::string_view text, std::size_t at, std::size_t count, int& out) {
  if (text.size() < at + count) return false;
  const char* end = text.data() + at + count;
  const auto [stopped, failed] = std::from_chars(text.data() + at, end, out);
  return failed == std::errc() && stopped == end;
}

}  // namespace

std::optional<JsonDocument> JsonDocument::parse(std::string_view text) {
  if (!shallowEnough(text)) return std::nullopt;
  auto document = std::make_unique<rapidjson::Document>();
  document->Parse<rapidjson::kParseIterativeFlag | rapidjson::kParseValidateEncodingFlag>(text.data(), text.size());
  if (document->HasParseError()) return std::nullopt;
  return JsonDocument(std::move(document));
}

JsonView JsonView::operator[](std::string_view key) const {
  if (!isObject()) return {};
  const auto found = value_->FindMember(rapidjson::Value(rapidjson::StringRef(key.data(), sizeOf(key))));
  return found == value_->MemberEnd() ? JsonView() : JsonView(&found->value);
}

std::string_view JsonView::text() const {
  if (value_ == nullptr || !value_->IsString()) return {};
  return {value_->GetString(), value_->GetStringLength()};
}

std::optional<std::int64_t> JsonView::integer() const {
  if (value_ == nullptr || !value_->IsNumber()) return std::nullopt;
  if (value_->IsInt64()) return value_->GetInt64();
  const double number = value_->GetDouble();
  if (!std::isfinite(number) || std::abs(number) > 9e15) return std::nullopt;
  return static_cast<std::int64_t>(number);
}

std::optional<bool> JsonView::boolean() const {
  if (value_ == nullptr || !value_->IsBool()) return std::nullopt;
  return value_->GetBool();
}

std::optional<SystemTime> JsonView::time() const {
  const std::string_view at = text();
  int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0;
  if (!digits(at, 0, 4, year) || !digits(at, 5, 2, month) || !digits(at, 8, 2, day) || !digits(at, 11, 2, hour) ||
      !digits(at, 14, 2, minute) || !digits(at, 17, 2, second)) {
    return std::nullopt;
  }
  const std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (!date.ok()) return std::nullopt;
  std::chrono::milliseconds rest =
      std::chrono::hours(hour) + std::chrono::minutes(minute) + std::chrono::seconds(second);
  int ms = 0;
  if (at.size() > 20 && at[19] == '.' && digits(at, 20, 3, ms)) rest += std::chrono::milliseconds(ms);
  return SystemTime(std::chrono::time_point_cast<std::chrono::milliseconds>(std::chrono::sys_days(date)) + rest);
}

void JsonView::eachItem(const std::function<void(const JsonView&)>& take) const {
  if (value_ == nullptr || !value_->IsArray()) return;
  for (const rapidjson::Value& one : value_->GetArray()) take(JsonView(&one));
}

void JsonView::eachMember(const std::function<void(std::string_view, const JsonView&)>& take) const {
  if (!isObject()) return;
  for (const auto& member : value_->GetObject()) {
    take({member.name.GetString(), member.name.GetStringLength()}, JsonView(&member.value));
  }
}

std::vector<std::string> JsonView::texts() const {
  std::vector<std::string> all;
  eachItem([&](const JsonView& one) { all.emplace_back(one.text()); });
  return all;
}

StringMap JsonView::textMap() const {
  StringMap all;
  eachMember([&](std::string_view key, const JsonView& one) { all[std::string(key)] = one.text(); });
  return all;
}

JsonText& JsonText::beginObject() { return writer_.StartObject(), *this; }
JsonText& JsonText::endObject() { return writer_.EndObject(), *this; }
JsonText& JsonText::beginArray() { return writer_.StartArray(), *this; }
JsonText& JsonText::endArray() { return writer_.EndArray(), *this; }
JsonText& JsonText::key(std::string_view name) { return writer_.Key(name.data(), sizeOf(name)), *this; }
JsonText& JsonText::value(std::string_view text) { return writer_.String(text.data(), sizeOf(text)), *this; }
JsonText& JsonText::member(std::string_view name, std::string_view text) { return key(name).value(text); }
JsonText& JsonText::member(std::string_view name, std::int64_t number) {
  key(name);
  writer_.Int64(number);
  return *this;
}
JsonText& JsonText::member(std::string_view name, bool flag) {
  key(name);
  writer_.Bool(flag);
  return *this;
}
JsonText& JsonText::member(std::string_view name, const StringMap& map) {
  key(name).beginObject();
  for (const auto& [field, text] : map) member(field, text);
  return endObject();
}
JsonText& JsonText::member(std::string_view name, const std::vector<std::string>& list) {
  key(name).beginArray();
  for (const std::string& one : list) value(one);
  return endArray();
}
JsonText& JsonText::memberIfAny(std::string_view name, std::string_view text) {
  return text.empty() ? *this : member(name, text);
}

}  // namespace computesdk::detail
