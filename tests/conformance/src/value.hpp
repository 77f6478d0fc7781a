#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace computesdk::conformance {

/// Something is wrong with a file or an option: not a finding about a provider. The text says where.
class Problem : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// A JSON value. Objects keep their order. A string holds bytes of any kind while it stays inside the program.
class Value {
 public:
  using Array = std::vector<Value>;
  using Object = std::vector<std::pair<std::string, Value>>;

  Value() = default;
  Value(bool value) : data_(value) {}                            // NOLINT(google-explicit-constructor)
  Value(std::int64_t value) : data_(value) {}                    // NOLINT(google-explicit-constructor)
  Value(int value) : data_(static_cast<std::int64_t>(value)) {}  // NOLINT(google-explicit-constructor)
  Value(double value) : data_(value) {}                          // NOLINT(google-explicit-constructor)
  Value(std::string value) : data_(std::move(value)) {}          // NOLINT(google-explicit-constructor)
  Value(std::string_view value) : data_(std::string(value)) {}   // NOLINT(google-explicit-constructor)
  Value(const char* value) : data_(std::string(value)) {}        // NOLINT(google-explicit-constructor)
  Value(Array value) : data_(std::move(value)) {}                // NOLINT(google-explicit-constructor)
  Value(Object value) : data_(std::move(value)) {}               // NOLINT(google-explicit-constructor)

  /// Comments and trailing commas are not JSON. Throws Problem that begins with `where`.
  static Value parse(std::string_view text, const std::string& where);
  static Value readFile(const std::string& path);
  /// `indent` 0: one line. Bytes that are no UTF-8 become U+FFFD.
  [[nodiscard]] std::string print(int indent = 0) const;

  [[nodiscard]] bool isNull() const { return std::holds_alternative<std::nullptr_t>(data_); }
  [[nodiscard]] bool isBool() const { return std::holds_alternative<bool>(data_); }
  [[nodiscard]] bool isInt() const { return std::holds_alternative<std::int64_t>(data_); }
  [[nodiscard]] bool isNumber() const { return isInt() || std::holds_alternative<double>(data_); }
  [[nodiscard]] bool isString() const { return std::holds_alternative<std::string>(data_); }
  [[nodiscard]] bool isArray() const { return std::holds_alternative<Array>(data_); }
  [[nodiscard]] bool isObject() const { return std::holds_alternative<Object>(data_); }

  // These throw Problem when the value is of another kind.
  [[nodiscard]] bool asBool() const;
  [[nodiscard]] std::int64_t asInt() const;
  [[nodiscard]] double asNumber() const;
  [[nodiscard]] const std::string& asString() const;
  [[nodiscard]] const Array& asArray() const;
  [[nodiscard]] const Object& asObject() const;

  /// The member, or null; null also when this is no object.
  [[nodiscard]] const Value* find(std::string_view key) const;
  /// The member; throws Problem when there is none.
  [[nodiscard]] const Value& at(std::string_view key) const;
  [[nodiscard]] std::string text(std::string_view key, std::string_view otherwise = {}) const;
  [[nodiscard]] std::int64_t integer(std::string_view key, std::int64_t otherwise = 0) const;
  [[nodiscard]] bool flag(std::string_view key, bool otherwise = false) const;

  /// Replaces or appends a member; makes an object of null.
  Value& set(std::string_view key, Value value);
  /// Appends an element; makes an array of null.
  Value& add(Value value);

  friend bool operator==(const Value&, const Value&) = default;

 private:
  std::variant<std::nullptr_t, bool, std::int64_t, double, std::string, Array, Object> data_ = nullptr;
};

/// Every key of an object must be one of these: a word that is misspelt must not check nothing. Throws Problem.
void onlyKeys(const Value& object, std::initializer_list<std::string_view> known, const std::string& where);

}  // namespace computesdk::conformance
