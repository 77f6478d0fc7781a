#include "common/base64.hpp"

#include <array>
#include <cstdint>

namespace computesdk::vendor {
namespace {

constexpr std::string_view kPlain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view kUrl = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr std::uint8_t kNone = 0xff;

constexpr std::array<std::uint8_t, 256> kValues = [] {
  std::array<std::uint8_t, 256> values{};
  values.fill(kNone);
  for (std::size_t i = 0; i < kPlain.size(); ++i)
    values[static_cast<std::uint8_t>(kPlain[i])] = static_cast<std::uint8_t>(i);
  values[static_cast<std::uint8_t>('-')] = 62;
  values[static_cast<std::uint8_t>('_')] = 63;
  return values;
}();

std::string encode(std::string_view bytes, std::string_view alphabet, bool padded) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t left = bytes.size() - i;
    const auto byte = [&](std::size_t at) -> std::uint32_t {
      return at < left ? static_cast<std::uint8_t>(bytes[i + at]) : 0U;
    };
    const std::uint32_t word = byte(0) << 16 | byte(1) << 8 | byte(2);
    out += alphabet[word >> 18];
    out += alphabet[word >> 12 & 63];
    if (left > 1) out += alphabet[word >> 6 & 63];
    if (left > 2) out += alphabet[word & 63];
  }
  while (padded && out.size() % 4 != 0) out += '=';
  return out;
}

}  // namespace

std::string base64Encode(std::string_view bytes) { return encode(bytes, kPlain, true); }
std::string base64UrlEncode(std::string_view bytes) { return encode(bytes, kUrl, false); }

std::optional<std::string> base64Decode(std::string_view text) {
  if (text.size() % 4 == 0 && text.ends_with('=')) text.remove_suffix(text.ends_with("==") ? 2 : 1);
  if (text.size() % 4 == 1) return {};
  std::string out;
  out.reserve(text.size() / 4 * 3 + 2);
  std::uint32_t word = 0;
  int bits = 0;
  for (const char c : text) {
    const std::uint8_t value = kValues[static_cast<std::uint8_t>(c)];
    if (value == kNone) return {};
    word = word << 6 | value;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      out += static_cast<char>(word >> bits & 0xff);
    }
  }
  return out;
}

}  // namespace computesdk::vendor
