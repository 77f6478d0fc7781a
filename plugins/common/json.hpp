#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

// JSON as vendors send it: never trusted. At most kJsonMaxBytes, 64 levels deep, UTF-8; whatever is wrong with it
// becomes a failure of class CSDK_ERROR_PROTOCOL that says which answer and which member, never a crash.
namespace computesdk::vendor {

inline constexpr std::size_t kJsonMaxBytes = std::size_t{32} << 20;

/// A value inside a JsonDocument; cheap to copy, lives as long as the document. One that is absent stands for a member
/// that is not there and for null.
class Json {
 public:
  Json() = default;

  [[nodiscard]] bool present() const noexcept { return value_ != nullptr; }
  [[nodiscard]] bool isObject() const noexcept;
  [[nodiscard]] bool isArray() const noexcept;
  [[nodiscard]] bool isText() const noexcept;
  [[nodiscard]] bool isNumber() const noexcept;
  [[nodiscard]] bool isInteger() const noexcept;
  explicit operator bool() const noexcept { return present(); }

  /// A member; absent when it is not there, is null, or this is absent. Throws when this is no object.
  [[nodiscard]] Json at(std::string_view key) const;
  Json operator[](std::string_view key) const { return at(key); }

  // Members that must be there. Throw when they are not, or are of another type.
  [[nodiscard]] std::string_view text(std::string_view key) const;
  [[nodiscard]] std::int64_t integer(std::string_view key) const;

  // Members that may be absent. Throw when they are there and of another type. An integer may also come as decimal
  // digits in a text, as protocol buffers write 64 bits, and as a number with a fraction, which is cut off.
  [[nodiscard]] std::string_view textOr(std::string_view key, std::string_view otherwise = {}) const;
  [[nodiscard]] std::int64_t integerOr(std::string_view key, std::int64_t otherwise) const;
  [[nodiscard]] bool booleanOr(std::string_view key, bool otherwise) const;

  // This value itself; nothing when it is absent or of another type.
  [[nodiscard]] std::optional<std::string_view> asText() const noexcept;
  [[nodiscard]] std::optional<std::int64_t> asInteger() const noexcept;
  [[nodiscard]] std::optional<double> asNumber() const noexcept;
  [[nodiscard]] std::optional<bool> asBoolean() const noexcept;

  /// Elements of an array; none for an absent value. Throws for anything else.
  class Items;
  [[nodiscard]] Items items() const;
  /// Members of an object as (key, value); none for an absent value. Throws for anything else.
  class Members;
  [[nodiscard]] Members members() const;

  /// The value as JSON text again.
  [[nodiscard]] std::string write() const;

 private:
  friend class JsonDocument;
  Json(const void* value, const std::string* what) noexcept : value_(value), what_(what) {}
  [[noreturn]] void complain(std::string_view key, std::string_view wanted) const;

  const void* value_ = nullptr;        ///< a rapidjson::Value; null is absent
  const std::string* what_ = nullptr;  ///< which answer it is, for messages
};

class Json::Items {
 public:
  class Iterator {
   public:
    using iterator_category = std::input_iterator_tag;
    using value_type = Json;
    using difference_type = std::ptrdiff_t;
    using pointer = const Json*;
    using reference = Json;
    Json operator*() const { return items_->get(index_); }
    Iterator& operator++() { return ++index_, *this; }
    bool operator==(const Iterator& other) const noexcept { return index_ == other.index_; }

   private:
    friend class Items;
    Iterator(const Items* items, std::size_t index) : items_(items), index_(index) {}
    const Items* items_;
    std::size_t index_;
  };
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] Iterator begin() const noexcept { return {this, 0}; }
  [[nodiscard]] Iterator end() const noexcept { return {this, size_}; }
  [[nodiscard]] Json get(std::size_t index) const;

 private:
  friend class Json;
  Json array_;
  std::size_t size_ = 0;
};

class Json::Members {
 public:
  class Iterator {
   public:
    using iterator_category = std::input_iterator_tag;
    using value_type = std::pair<std::string_view, Json>;
    using difference_type = std::ptrdiff_t;
    using pointer = const value_type*;
    using reference = value_type;
    std::pair<std::string_view, Json> operator*() const { return members_->get(index_); }
    Iterator& operator++() { return ++index_, *this; }
    bool operator==(const Iterator& other) const noexcept { return index_ == other.index_; }

   private:
    friend class Members;
    Iterator(const Members* members, std::size_t index) : members_(members), index_(index) {}
    const Members* members_;
    std::size_t index_;
  };
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] Iterator begin() const noexcept { return {this, 0}; }
  [[nodiscard]] Iterator end() const noexcept { return {this, size_}; }
  [[nodiscard]] std::pair<std::string_view, Json> get(std::size_t index) const;

 private:
  friend class Json;
  Json object_;
  std::size_t size_ = 0;
};

/// A parsed text and what its values point to. Move-only.
class JsonDocument {
 public:
  /// `what` names it in failures: "the answer to create". Throws plugin::Error (CSDK_UNAVAILABLE, PROTOCOL).
  static JsonDocument parse(std::string_view text, std::string what);
  /// The same without a complaint: nothing for what is no JSON.
  static std::optional<JsonDocument> tryParse(std::string_view text, std::string what = "the answer");

  JsonDocument(JsonDocument&&) noexcept;
  JsonDocument& operator=(JsonDocument&&) noexcept;
  ~JsonDocument();

  [[nodiscard]] Json root() const noexcept;
  Json operator[](std::string_view key) const { return root().at(key); }

 private:
  struct Data;
  explicit JsonDocument(std::unique_ptr<Data> data) noexcept;
  std::unique_ptr<Data> data_;
};

}  // namespace computesdk::vendor
