#pragma once

#include "host/wire.hpp"

#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>

// How csdk.http/1 crosses the line between a host and the process of an isolated plug-in: frames of type `http`, whose
// flags say which, and whose body begins with the number of the request (u64).
namespace computesdk::registry::net {

enum class HttpFrame : std::uint16_t {
  start = 1,  ///< process: csdk_http_request without its body
  body,       ///< process: a piece of the body
  go,         ///< process: that was all; the request begins
  write,      ///< process: flags (u32), bytes
  ack,        ///< process: u64
  close,      ///< process: code (i32), reason
  event,      ///< host: csdk_http_event
  credit,     ///< host: so many written bytes went on (u64)
};

inline constexpr std::int64_t kWriteWindow = CSDK_HTTP_CREDIT;  ///< written bytes of a request that may be on the line
inline constexpr std::size_t kLongestBody = std::size_t{32} << 20;

extern const host::StructInfo kHttpRequest, kHttpEvent;

/// The whole body of an http frame.
std::string httpBody(std::uint64_t request, std::string_view rest, std::string_view more = {});

template <typename T>
std::string_view rawBytes(const T& value) noexcept {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

/// Takes a number off the front. Nothing: there are too few bytes.
template <typename T>
std::optional<T> takeNumber(std::span<const std::byte>& body) noexcept {
  if (body.size() < sizeof(T)) return {};
  T value;
  std::memcpy(&value, body.data(), sizeof value);
  body = body.subspan(sizeof value);
  return value;
}

}  // namespace computesdk::registry::net
