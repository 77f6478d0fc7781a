#pragma once

#include <computesdk/result.hpp>
#include <computesdk/types.hpp>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// Values as people type them, and as they like to read them. All functions are pure. Errors: E_USAGE whose `why` and
// `fix` speak of the value; the caller names the option.
namespace computesdk::cli {

using Milliseconds = std::chrono::milliseconds;

/// "500ms", "30s", "5m", "2h", "1d", "1h30m"; "0" and "none" are 0. A bare number is refused.
Result<Milliseconds> parseDuration(std::string_view text);
/// "512K", "256M", "2G", "1T" (1024 each; "MB", "MiB" too), "4096B". Not 0; a bare number is refused.
Result<std::int64_t> parseSize(std::string_view text);
/// Cores to thousandths: "2", "0.5", "1.25". More than 0, up to 4096.
Result<std::int64_t> parseCpus(std::string_view text);
/// A whole number in decimal digits within [least, most].
Result<std::int64_t> parseInteger(std::string_view text, std::int64_t least, std::int64_t most);
Result<std::uint16_t> parsePort(std::string_view text);

struct KeyValue {
  std::string key;
  std::string value;
};
/// "KEY=VALUE"; the value may be empty and hold further "=".
Result<KeyValue> parseKeyValue(std::string_view text);

/// Name of a sandbox: "NS/NAME" (split at the first "/") or "NAME" in the namespace "default".
struct SandboxName {
  std::string namespace_;
  std::string name;
};
Result<SandboxName> parseSandboxName(std::string_view text);

/// "12s", "14m 48s", "3h 5m", "2d 4h"; two units at most. Negative durations are "0s".
std::string formatDuration(Milliseconds duration);
/// "31M", "1.5G", "512B"; three digits at most.
std::string formatSize(std::int64_t bytes);
/// RFC 3339 in UTC with milliseconds: "2026-01-31T12:00:00.000Z".
std::string formatTime(SystemTime time);

/// The candidate nearest to `wanted` within two edits, or nothing.
std::optional<std::string_view> nearest(std::string_view wanted, const std::vector<std::string_view>& candidates);

/// Columns that UTF-8 text takes, each character taken for one.
std::size_t textWidth(std::string_view text) noexcept;

/// Control characters as \xNN, so that a hostile name cannot steer the terminal.
std::string printable(std::string_view text);

}  // namespace computesdk::cli
