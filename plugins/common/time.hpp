#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

// Times as vendors write them, as milliseconds since 1970.
namespace computesdk::vendor {

/// RFC 3339 as in 2026-11-21T09:35:46.379Z: an offset in place of Z, any number of digits of a second. Nothing for
/// anything else.
std::optional<std::int64_t> parseTime(std::string_view text);
/// The same, or 0 ("not known") for what is no time.
std::int64_t timeOr0(std::string_view text);
/// 2026-11-21T09:35:46.379Z
std::string formatTime(std::int64_t ms);

/// HTTP's own form: Sat, 21 Nov 2026 09:35:47 GMT.
std::optional<std::int64_t> parseHttpDate(std::string_view text);

/// Rounded up, at least 1 for anything above 0.
constexpr std::int64_t ceilSeconds(std::int64_t ms) noexcept { return ms <= 0 ? 0 : (ms - 1) / 1000 + 1; }
constexpr std::int64_t ceilMinutes(std::int64_t ms) noexcept { return ms <= 0 ? 0 : (ms - 1) / 60000 + 1; }

}  // namespace computesdk::vendor
