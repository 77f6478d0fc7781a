#include "common/time.hpp"

#include <array>
#include <charconv>
#include <cstddef>
#include <cstdio>

namespace computesdk::vendor {
namespace {

/// Days since 1970 of a date in the proleptic Gregorian calendar.
constexpr std::int64_t daysOf(std::int64_t year, int month, int day) {
  year -= month <= 2 ? 1 : 0;
  const std::int64_t era = year / 400;
  const std::int64_t ofEra = year - era * 400;
  const std::int64_t ofYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  return era * 146097 + ofEra * 365 + ofEra / 4 - ofEra / 100 + ofYear - 719468;
}

/// Takes numbers and separators off the front of a text.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : rest_(text) {}

  bool number(std::size_t digits, int& out) {
    if (rest_.size() < digits) return false;
    for (std::size_t i = 0; i < digits; ++i) {
      if (rest_[i] < '0' || rest_[i] > '9') return false;
    }
    std::from_chars(rest_.data(), rest_.data() + digits, out);
    rest_.remove_prefix(digits);
    return true;
  }
  bool one(std::string_view any) {
    if (rest_.empty() || any.find(rest_.front()) == std::string_view::npos) return false;
    taken_ = rest_.front();
    rest_.remove_prefix(1);
    return true;
  }
  bool word(std::string_view text) {
    if (!rest_.starts_with(text)) return false;
    rest_.remove_prefix(text.size());
    return true;
  }
  [[nodiscard]] char taken() const noexcept { return taken_; }
  [[nodiscard]] bool done() const noexcept { return rest_.empty(); }
  [[nodiscard]] bool digitNext() const noexcept {
    return !rest_.empty() && rest_.front() >= '0' && rest_.front() <= '9';
  }
  std::string_view take(std::size_t size) {
    const std::string_view out = rest_.substr(0, size);
    rest_.remove_prefix(out.size());
    return out;
  }

 private:
  std::string_view rest_;
  char taken_ = 0;
};

struct Clock {
  int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0;
  [[nodiscard]] bool valid() const {
    return year >= 1970 && month >= 1 && month <= 12 && day >= 1 && day <= 31 && hour < 24 && minute < 60 &&
           second <= 60;
  }
  [[nodiscard]] std::int64_t seconds() const {
    return daysOf(year, month, day) * 86400 + hour * 3600 + minute * 60 + second;
  }
};

constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

}  // namespace

std::optional<std::int64_t> parseTime(std::string_view text) {
  Scanner in(text);
  Clock at;
  const bool good = in.number(4, at.year) && in.one("-") && in.number(2, at.month) && in.one("-") &&
                    in.number(2, at.day) && in.one("Tt ") && in.number(2, at.hour) && in.one(":") &&
                    in.number(2, at.minute) && in.one(":") && in.number(2, at.second);
  if (!good || !at.valid()) return {};
  std::int64_t ms = 0;
  if (in.one(".,")) {
    if (!in.digitNext()) return {};
    for (int scale = 100, digit = 0; in.digitNext(); scale /= 10) {
      in.number(1, digit);
      ms += static_cast<std::int64_t>(digit) * scale;
    }
  }
  std::int64_t offset = 0;
  if (!in.one("Zz")) {
    if (!in.one("+-")) return {};
    const std::int64_t sign = in.taken() == '-' ? -1 : 1;
    int hours = 0, minutes = 0;
    if (!in.number(2, hours)) return {};
    in.one(":");
    if (!in.number(2, minutes) || hours > 23 || minutes > 59) return {};
    offset = sign * (hours * 3600 + minutes * 60);
  }
  if (!in.done()) return {};
  return (at.seconds() - offset) * 1000 + ms;
}

std::int64_t timeOr0(std::string_view text) { return parseTime(text).value_or(0); }

std::string formatTime(std::int64_t ms) {
  if (ms < 0) ms = 0;
  const std::int64_t days = ms / 86400000;
  const std::int64_t ofDay = ms % 86400000;
  // The civil date of a day number: the reverse of daysOf.
  const std::int64_t shifted = days + 719468;
  const std::int64_t era = shifted / 146097;
  const std::int64_t ofEra = shifted % 146097;
  const std::int64_t yearOfEra = (ofEra - ofEra / 1460 + ofEra / 36524 - ofEra / 146096) / 365;
  const std::int64_t ofYear = ofEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100);
  const std::int64_t shiftedMonth = (5 * ofYear + 2) / 153;
  const std::int64_t day = ofYear - (153 * shiftedMonth + 2) / 5 + 1;
  const std::int64_t month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9;
  const std::int64_t year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0);
  char out[64];
  const int size =
      std::snprintf(out, sizeof out, "%04lld-%02lld-%02lldT%02lld:%02lld:%02lld.%03lldZ", static_cast<long long>(year),
                    static_cast<long long>(month), static_cast<long long>(day), static_cast<long long>(ofDay / 3600000),
                    static_cast<long long>(ofDay / 60000 % 60), static_cast<long long>(ofDay / 1000 % 60),
                    static_cast<long long>(ofDay % 1000));
  return {out, static_cast<std::size_t>(size)};
}

std::optional<std::int64_t> parseHttpDate(std::string_view text) {
  Scanner in(text);
  Clock at;
  in.take(3);
  if (!in.word(", ") || !in.number(2, at.day) || !in.one(" ")) return {};
  const std::string_view month = in.take(3);
  for (std::size_t i = 0; i < kMonths.size(); ++i) {
    if (kMonths[i] == month) at.month = static_cast<int>(i) + 1;
  }
  const bool good = in.one(" ") && in.number(4, at.year) && in.one(" ") && in.number(2, at.hour) && in.one(":") &&
                    in.number(2, at.minute) && in.one(":") && in.number(2, at.second) && in.word(" GMT") && in.done();
  if (!good || !at.valid()) return {};
  return at.seconds() * 1000;
}

}  // namespace computesdk::vendor
