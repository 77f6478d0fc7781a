#include "core/units.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <ctime>
#include <limits>
#include <numeric>
#include <utility>

namespace computesdk::cli {
namespace {

ErrorInfo bad(std::string why, std::string fix) {
  ErrorInfo error;
  error.code = ErrorCode::usage;
  error.why = std::move(why);
  error.fix = std::move(fix);
  return error;
}

/// Digits at the start of `text`, taken off it. Nothing when there are none or they do not fit.
std::optional<std::int64_t> takeDigits(std::string_view& text) {
  std::int64_t value = 0;
  if (text.empty() || text.front() < '0' || text.front() > '9') return std::nullopt;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{}) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return value;
}

std::string quoted(std::string_view text) { return "\"" + printable(text) + "\""; }

struct TimeUnit {
  std::string_view name;
  std::int64_t milliseconds;
};
// Longer names first, so that "ms" is not read as "m".
constexpr std::array kTimeUnits = {TimeUnit{"ms", 1}, TimeUnit{"s", 1000}, TimeUnit{"m", 60'000},
                                   TimeUnit{"h", 3'600'000}, TimeUnit{"d", 86'400'000}};
constexpr std::int64_t kLongest = std::int64_t{100} * 365 * 86'400'000;

}  // namespace

Result<Milliseconds> parseDuration(std::string_view text) {
  static constexpr std::string_view kFix = "give a number with a unit: 500ms, 30s, 5m, 2h or 1d; \"none\" for no end";
  if (text == "0" || text == "none") return Milliseconds{0};
  std::string_view rest = text;
  std::int64_t total = 0;
  while (!rest.empty()) {
    auto number = takeDigits(rest);
    if (!number) return bad(quoted(text) + " is not a duration", std::string(kFix));
    if (rest.empty()) return bad(quoted(text) + " has no unit", std::string(kFix));
    const auto* unit = std::ranges::find_if(kTimeUnits, [&](const TimeUnit& u) { return rest.starts_with(u.name); });
    if (unit == kTimeUnits.end()) return bad(quoted(text) + " is not a duration", std::string(kFix));
    rest.remove_prefix(unit->name.size());
    if (*number > (kLongest - total) / unit->milliseconds) {
      return bad(quoted(text) + " is longer than a hundred years", "use \"none\" for no end");
    }
    total += *number * unit->milliseconds;
  }
  if (text.empty()) return bad("the duration is empty", std::string(kFix));
  return Milliseconds{total};
}

Result<std::int64_t> parseSize(std::string_view text) {
  static constexpr std::string_view kFix = "give a number with a unit: 512K, 256M or 2G";
  std::string_view rest = text;
  auto number = takeDigits(rest);
  if (!number) return bad(quoted(text) + " is not a size", std::string(kFix));
  if (rest.empty()) return bad(quoted(text) + " has no unit", std::string(kFix));
  static constexpr std::string_view kUnits = "BKMGT";
  auto power = kUnits.find(static_cast<char>(rest.front() >= 'a' ? rest.front() - 'a' + 'A' : rest.front()));
  std::string_view tail = rest.substr(1);
  bool known = power != std::string_view::npos && (tail.empty() || (power > 0 && (tail == "B" || tail == "iB")));
  if (!known) return bad(quoted(text) + " is not a size", std::string(kFix));
  std::int64_t unit = std::int64_t{1} << (10 * power);
  if (*number > std::numeric_limits<std::int64_t>::max() / unit)
    return bad(quoted(text) + " is too large", std::string(kFix));
  if (*number == 0) return bad("a limit of nothing cannot be met", "leave the option out for the provider's default");
  return *number * unit;
}

Result<std::int64_t> parseCpus(std::string_view text) {
  static constexpr std::string_view kFix = "give a number of cores: 1, 2 or 0.5";
  static constexpr std::int64_t kMostCores = 4096;
  std::string_view rest = text;
  auto whole = takeDigits(rest);
  if (!whole || *whole > kMostCores) return bad(quoted(text) + " is not a number of cores", std::string(kFix));
  std::int64_t milli = *whole * 1000;
  if (!rest.empty()) {
    rest.remove_prefix(1);
    std::string_view digits = rest;
    auto fraction = takeDigits(rest);
    bool point = text[text.size() - digits.size() - 1] == '.';
    if (!point || !fraction || !rest.empty() || digits.size() > 3) {
      return bad(quoted(text) + " is not a number of cores", std::string(kFix));
    }
    for (auto i = digits.size(); i < 3; ++i) *fraction *= 10;
    milli += *fraction;
  }
  if (milli == 0) return bad("no core at all cannot run anything", std::string(kFix));
  return milli;
}

Result<std::int64_t> parseInteger(std::string_view text, std::int64_t least, std::int64_t most) {
  std::string_view rest = text;
  auto value = takeDigits(rest);
  if (!value || !rest.empty() || *value < least || *value > most) {
    return bad(quoted(text) + " is not a whole number from " + std::to_string(least) + " to " + std::to_string(most),
               "give a number in that range");
  }
  return *value;
}

Result<std::uint16_t> parsePort(std::string_view text) {
  return parseInteger(text, 1, 65535).and_then([](std::int64_t port) {
    return Result<std::uint16_t>(static_cast<std::uint16_t>(port));
  });
}

Result<KeyValue> parseKeyValue(std::string_view text) {
  auto equals = text.find('=');
  if (equals == std::string_view::npos) return bad(quoted(text) + " has no \"=\"", "write it as KEY=VALUE");
  if (equals == 0) return bad("there is no key before \"=\"", "write it as KEY=VALUE");
  return KeyValue{std::string(text.substr(0, equals)), std::string(text.substr(equals + 1))};
}

Result<SandboxName> parseSandboxName(std::string_view text) {
  auto slash = text.find('/');
  SandboxName name{"default", std::string(text)};
  if (slash != std::string_view::npos) name = {std::string(text.substr(0, slash)), std::string(text.substr(slash + 1))};
  if (name.namespace_.empty() || name.name.empty()) {
    return bad(quoted(text) + " is not a sandbox's name", "write it as NAMESPACE/NAME, or NAME alone");
  }
  return name;
}

std::string formatDuration(Milliseconds duration) {
  auto seconds = std::max<std::int64_t>(duration.count(), 0) / 1000;
  struct Part {
    std::int64_t seconds;
    char unit;
  };
  static constexpr std::array kParts = {Part{86'400, 'd'}, Part{3'600, 'h'}, Part{60, 'm'}, Part{1, 's'}};
  std::string out;
  int shown = 0;
  for (const Part& part : kParts) {
    auto count = seconds / part.seconds;
    seconds %= part.seconds;
    if (shown == 0 && count == 0 && part.unit != 's') continue;
    if (shown == 2) break;
    ++shown;
    if (count == 0 && !out.empty()) continue;
    if (!out.empty()) out += ' ';
    out += std::to_string(count) + part.unit;
  }
  return out;
}

std::string formatSize(std::int64_t bytes) {
  static constexpr std::string_view kUnits = "BKMGTPE";
  double value = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (value >= 1024 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  char buffer[32];
  bool fraction = unit > 0 && value < 9.95 && value != static_cast<double>(static_cast<int>(value));
  std::snprintf(buffer, sizeof buffer, fraction ? "%.1f%c" : "%.0f%c", value, kUnits[unit]);
  return buffer;
}

std::string formatTime(SystemTime time) {
  auto count = time.time_since_epoch().count();
  auto milliseconds = ((count % 1000) + 1000) % 1000;
  auto seconds = static_cast<std::time_t>((count - milliseconds) / 1000);
  std::tm parts{};
  if (gmtime_r(&seconds, &parts) == nullptr) return "0000-00-00T00:00:00.000Z";
  char date[40];
  std::strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &parts);
  char out[48];
  std::snprintf(out, sizeof out, "%s.%03dZ", date, static_cast<int>(milliseconds));
  return out;
}

std::optional<std::string_view> nearest(std::string_view wanted, const std::vector<std::string_view>& candidates) {
  std::optional<std::string_view> best;
  std::size_t bestDistance = 3;
  for (std::string_view candidate : candidates) {
    std::vector<std::size_t> line(candidate.size() + 1);
    std::iota(line.begin(), line.end(), std::size_t{0});
    for (std::size_t i = 1; i <= wanted.size(); ++i) {
      std::size_t diagonal = std::exchange(line[0], i);
      for (std::size_t j = 1; j <= candidate.size(); ++j) {
        std::size_t substituted = diagonal + (wanted[i - 1] == candidate[j - 1] ? 0 : 1);
        diagonal = std::exchange(line[j], std::min({substituted, line[j] + 1, line[j - 1] + 1}));
      }
    }
    // Two edits make any two-letter word out of any other: the proposal must share something with what was typed.
    if (line.back() < bestDistance && line.back() < std::max(wanted.size(), candidate.size())) {
      best = candidate;
      bestDistance = line.back();
    }
  }
  return best;
}

std::size_t textWidth(std::string_view text) noexcept {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

std::string printable(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    auto byte = static_cast<unsigned char>(text[i]);
    // C1, whose second byte in UTF-8 tells which: some terminals act on it as on ESC and a letter.
    auto next = i + 1 < text.size() ? static_cast<unsigned char>(text[i + 1]) : 0;
    bool c1 = byte == 0xc2 && next >= 0x80 && next < 0xa0;
    if (byte < 0x20 || byte == 0x7f || c1) {
      if (c1) ++i;
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\x%02x", c1 ? next : byte);
      out += escape;
    } else {
      out += text[i];
    }
  }
  return out;
}

}  // namespace computesdk::cli
