#pragma once

#include <computesdk/plugin.h>
#include <computesdk/provider/error.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

// Leaf types seen as C++ ones, and back. Nothing here copies; a view lives as long as what it looks at.
namespace computesdk::plugin {

inline std::string_view view(csdk_str text) noexcept { return {text.data, text.size}; }
inline std::span<const std::byte> view(csdk_bytes bytes) noexcept {
  return {reinterpret_cast<const std::byte*>(bytes.data), bytes.size};
}
inline std::span<const csdk_str> view(csdk_strs list) noexcept { return {list.items, list.count}; }
inline std::span<const csdk_pair> view(csdk_pairs list) noexcept { return {list.items, list.count}; }
inline std::span<const csdk_option> view(csdk_options list) noexcept { return {list.items, list.count}; }
inline std::span<const std::uint16_t> view(csdk_ports list) noexcept { return {list.items, list.count}; }

/// The bytes as characters, for tokens and the like that hold text.
inline std::string_view text(csdk_bytes bytes) noexcept {
  return {reinterpret_cast<const char*>(bytes.data), bytes.size};
}

constexpr csdk_str str(std::string_view text) noexcept { return {text.data(), text.size()}; }
inline csdk_bytes bytes(std::string_view text) noexcept {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
inline csdk_bytes bytes(std::span<const std::byte> data) noexcept {
  return {reinterpret_cast<const std::uint8_t*>(data.data()), data.size()};
}

/// Value of a key in pairs (the first one), if it is there.
inline std::optional<std::string_view> find(csdk_pairs pairs, std::string_view key) noexcept {
  for (const csdk_pair& pair : view(pairs)) {
    if (view(pair.key) == key) return view(pair.value);
  }
  return std::nullopt;
}

/// Typed options by key: a provider's configuration or a call's vendor options. Absent keys give nullopt; a key with a
/// value of another kind throws CSDK_INVALID_ARGUMENT, naming the key and never the value.
class Options {
 public:
  explicit Options(csdk_options options) noexcept : options_(options) {}

  /// The option itself; nullptr when absent.
  const csdk_option* find(std::string_view key) const noexcept {
    for (const csdk_option& option : view(options_)) {
      if (view(option.key) == key) return &option;
    }
    return nullptr;
  }

  std::optional<std::string_view> text(std::string_view key) const {
    const csdk_option* option = ofKind(key, CSDK_OPTION_STR, "text");
    return option ? std::optional(plugin::text(option->s)) : std::nullopt;
  }
  std::optional<std::int64_t> integer(std::string_view key) const {
    const csdk_option* option = ofKind(key, CSDK_OPTION_I64, "an integer");
    return option ? std::optional(option->i) : std::nullopt;
  }
  std::optional<bool> boolean(std::string_view key) const {
    const csdk_option* option = ofKind(key, CSDK_OPTION_BOOL, "true or false");
    return option ? std::optional(option->i != 0) : std::nullopt;
  }
  std::optional<double> number(std::string_view key) const {
    const csdk_option* option = ofKind(key, CSDK_OPTION_F64, "a number");
    return option ? std::optional(option->d) : std::nullopt;
  }
  /// The JSON text of the value.
  std::optional<std::string_view> json(std::string_view key) const {
    const csdk_option* option = ofKind(key, CSDK_OPTION_JSON, "JSON");
    return option ? std::optional(plugin::text(option->s)) : std::nullopt;
  }

  /// A text that must be there and not empty; throws CSDK_UNAUTHENTICATED for a secret and CSDK_INVALID_ARGUMENT for
  /// another missing value. `secret` says which, since an absent option cannot.
  std::string require(std::string_view key, bool secret = false) const {
    const auto value = text(key);
    if (value && !value->empty()) return std::string(*value);
    throw Error(secret ? CSDK_UNAUTHENTICATED : CSDK_INVALID_ARGUMENT, "'" + std::string(key) + "' is not configured")
        .errorClass(secret ? CSDK_ERROR_CREDENTIAL_MISSING : CSDK_ERROR_PLAIN);
  }

 private:
  const csdk_option* ofKind(std::string_view key, std::uint32_t kind, const char* name) const {
    const csdk_option* option = find(key);
    if (option && option->kind != kind) {
      throw Error(CSDK_INVALID_ARGUMENT, "option '" + std::string(key) + "' must be " + name);
    }
    return option;
  }

  csdk_options options_;
};

}  // namespace computesdk::plugin
