#pragma once

#include <computesdk/result.hpp>
#include <computesdk/types.hpp>

#include <rapidjson/document.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// JSON as a daemon sends it: not trusted. At most 64 levels deep; what is missing or of another type reads as empty.
namespace computesdk::detail {

/// A value inside a JsonDocument, which has to live longer; one that is absent reads as empty. Cheap to copy.
class JsonView {
 public:
  JsonView() = default;
  explicit JsonView(const rapidjson::Value* value) : value_(value) {}

  [[nodiscard]] bool present() const noexcept { return value_ != nullptr && !value_->IsNull(); }
  [[nodiscard]] bool isObject() const noexcept { return value_ != nullptr && value_->IsObject(); }
  [[nodiscard]] JsonView operator[](std::string_view key) const;
  [[nodiscard]] std::string_view text() const;
  [[nodiscard]] std::string textOr(std::string_view key) const { return std::string((*this)[key].text()); }
  [[nodiscard]] std::optional<std::int64_t> integer() const;
  [[nodiscard]] std::int64_t integerOr(std::int64_t otherwise) const { return integer().value_or(otherwise); }
  [[nodiscard]] std::optional<bool> boolean() const;
  [[nodiscard]] bool booleanOr(bool otherwise) const { return boolean().value_or(otherwise); }
  /// Of an RFC 3339 time in UTC.
  [[nodiscard]] std::optional<SystemTime> time() const;
  void eachItem(const std::function<void(const JsonView&)>& take) const;
  void eachMember(const std::function<void(std::string_view key, const JsonView&)>& take) const;
  [[nodiscard]] std::vector<std::string> texts() const;
  [[nodiscard]] StringMap textMap() const;

 private:
  const rapidjson::Value* value_ = nullptr;
};

/// A parsed text. Move-only.
class JsonDocument {
 public:
  /// Nothing for what is no JSON or nests too deeply.
  static std::optional<JsonDocument> parse(std::string_view text);
  [[nodiscard]] JsonView root() const { return JsonView(document_.get()); }

 private:
  explicit JsonDocument(std::unique_ptr<rapidjson::Document> document) : document_(std::move(document)) {}
  std::unique_ptr<rapidjson::Document> document_;
};

/// Writes one JSON text. Not thread-safe.
class JsonText {
 public:
  JsonText& beginObject();
  JsonText& endObject();
  JsonText& beginArray();
  JsonText& endArray();
  JsonText& key(std::string_view name);
  JsonText& value(std::string_view text);
  JsonText& member(std::string_view name, std::string_view text);
  JsonText& member(std::string_view name, const char* text) { return member(name, std::string_view(text)); }
  JsonText& member(std::string_view name, std::int64_t number);
  JsonText& member(std::string_view name, bool flag);
  JsonText& member(std::string_view name, const StringMap& map);
  JsonText& member(std::string_view name, const std::vector<std::string>& list);
  /// Nothing for an empty text.
  JsonText& memberIfAny(std::string_view name, std::string_view text);
  /// Takes the text out.
  std::string take() { return {buffer_.GetString(), buffer_.GetSize()}; }

 private:
  rapidjson::StringBuffer buffer_;
  rapidjson::Writer<rapidjson::StringBuffer> writer_{buffer_};
};

}  // namespace computesdk::detail
