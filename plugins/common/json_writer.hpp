#pragma once

#include "common/json.hpp"

#include <computesdk/plugin.h>

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace computesdk::vendor {

/// A JSON value under construction: what a request's body is made of.
///
///   JsonValue body = JsonValue::object();
///   body.set("templateID", "base").set("timeout", 120).set("envVars", JsonValue::of(args.env));
///   body.setOptions(args.options);  // the user's vendor options, as they are
///   std::string text = body.write();
class JsonValue {
 public:
  JsonValue() = default;                                           ///< null
  JsonValue(std::string_view text) : value_(std::string(text)) {}  // NOLINT(google-explicit-constructor)
  JsonValue(const char* text) : value_(std::string(text)) {}       // NOLINT(google-explicit-constructor)
  JsonValue(const std::string& text) : value_(text) {}             // NOLINT(google-explicit-constructor)
  template <class T>
  requires std::is_arithmetic_v<T> JsonValue(T number) {  // NOLINT(google-explicit-constructor)
    if constexpr (std::is_same_v<T, bool>) {
      value_ = number;
    } else if constexpr (std::is_floating_point_v<T>) {
      value_ = static_cast<double>(number);
    } else {
      value_ = static_cast<std::int64_t>(number);
    }
  }

  static JsonValue object();
  static JsonValue array();
  /// {"key": "value", …}
  static JsonValue of(csdk_pairs pairs);
  /// ["text", …]
  static JsonValue of(csdk_strs list);
  /// A copy of what a vendor sent.
  static JsonValue of(Json json);
  /// JSON text, taken apart. Throws plugin::Error (CSDK_INVALID_ARGUMENT) naming `what` when it is none.
  static JsonValue parse(std::string_view json, std::string_view what);

  /// Of an object (a null becomes one): replaces the member or adds it.
  JsonValue& set(std::string_view key, JsonValue value);
  /// Only when `text` is not empty.
  JsonValue& setText(std::string_view key, std::string_view text) { return text.empty() ? *this : set(key, text); }
  /// The member, made as null if it is not there.
  JsonValue& at(std::string_view key);
  [[nodiscard]] const JsonValue* find(std::string_view key) const noexcept;
  JsonValue& erase(std::string_view key);
  /// Of an array (a null becomes one).
  JsonValue& push(JsonValue value);

  /// Puts a call's vendor options into this object: the dotted key `network.allowOut` is the member `allowOut` of
  /// `network`. Throws plugin::Error (CSDK_INVALID_ARGUMENT) for one that would replace what is there already or goes
  /// through something that is no object.
  void setOptions(csdk_options options, std::initializer_list<std::string_view> skip = {});

  [[nodiscard]] bool isNull() const noexcept { return std::holds_alternative<std::monostate>(value_); }
  [[nodiscard]] bool isObject() const noexcept { return std::holds_alternative<Members>(value_); }
  /// Throws plugin::Error (CSDK_INVALID_ARGUMENT) for text that is not UTF-8.
  [[nodiscard]] std::string write() const;

 private:
  using Elements = std::vector<JsonValue>;
  using Members = std::vector<std::pair<std::string, JsonValue>>;
  template <class Writer>
  bool put(Writer& writer) const;

  std::variant<std::monostate, bool, std::int64_t, double, std::string, Elements, Members> value_;
};

}  // namespace computesdk::vendor
