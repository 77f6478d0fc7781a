#include "files/base64.hpp"

#include <array>

namespace computesdk::detail {
namespace {

constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

constexpr auto kValues = [] {
  std::array<std::int8_t, 256> values{};
  values.fill(-1);
  for (std::size_t i = 0; i < kAlphabet.size(); ++i) {
    values[static_cast<unsigned char>(kAlphabet[i])] = static_cast<std::int8_t>(i);
  }
  return values;
}();

}  // namespace

std::string base64Encode(std::span<const std::byte> bytes) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t have = std::min<std::size_t>(3, bytes.size() - i);
    std::uint32_t group = 0;
    for (std::size_t k = 0; k < 3; ++k) {
      group = group << 8 | (k < have ? std::to_integer<std::uint32_t>(bytes[i + k]) : 0);
    }
    for (std::size_t k = 0; k < 4; ++k) {
      out += k <= have ? kAlphabet[group >> (18 - 6 * k) & 63] : '=';
    }
  }
  return out;
}

bool Base64Decoder::feed(std::string_view text, std::vector<std::byte>& out) {
  for (char c : text) {
    if (c == '\n' || c == '\r' || c == ' ' || c == '\t') continue;
    const std::int8_t value = kValues[static_cast<unsigned char>(c)];
    if (over_ || (value < 0 && c != '=') || (value >= 0 && padding_ > 0)) return false;
    if (c == '=' && count_ < 2) return false;
    padding_ += c == '=' ? 1 : 0;
    bits_ = bits_ << 6 | static_cast<std::uint32_t>(value < 0 ? 0 : value);
    if (++count_ < 4) continue;
    for (int k = 0; k < 3 - padding_; ++k) out.push_back(static_cast<std::byte>(bits_ >> (16 - 8 * k) & 255));
    over_ = padding_ > 0;
    bits_ = 0;
    count_ = padding_ = 0;
  }
  return true;
}

}  // namespace computesdk::detail
