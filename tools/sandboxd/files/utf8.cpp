#include "files/utf8.hpp"

namespace computesdk::sandboxd {
namespace {

struct Lead {
  std::size_t more;      // bytes that follow
  unsigned char lowest;  // of the second byte: shuts out overlong forms, surrogates and what lies above U+10FFFF
  unsigned char highest;
  unsigned char bits;
};

bool leadOf(unsigned char byte, Lead& lead) {
  if (byte >= 0xC2 && byte <= 0xDF) {
    lead = {1, 0x80, 0xBF, 0x1F};
  } else if (byte >= 0xE0 && byte <= 0xEF) {
    lead = {2, static_cast<unsigned char>(byte == 0xE0 ? 0xA0 : 0x80),
            static_cast<unsigned char>(byte == 0xED ? 0x9F : 0xBF), 0x0F};
  } else if (byte >= 0xF0 && byte <= 0xF4) {
    lead = {3, static_cast<unsigned char>(byte == 0xF0 ? 0x90 : 0x80),
            static_cast<unsigned char>(byte == 0xF4 ? 0x8F : 0xBF), 0x07};
  } else {
    return false;
  }
  return true;
}

}  // namespace

Utf8Step stepUtf8(std::string_view text, std::size_t at) {
  if (at >= text.size()) return {};
  const auto first = static_cast<unsigned char>(text[at]);
  if (first < 0x80) return {first, 1, true};
  Lead lead{};
  if (!leadOf(first, lead)) return {first, 1, false};
  auto character = static_cast<char32_t>(first & lead.bits);
  for (std::size_t i = 1; i <= lead.more; ++i) {
    if (at + i >= text.size()) return {first, 1, false};
    const auto next = static_cast<unsigned char>(text[at + i]);
    const unsigned char lowest = i == 1 ? lead.lowest : 0x80, highest = i == 1 ? lead.highest : 0xBF;
    if (next < lowest || next > highest) return {first, 1, false};
    character = character << 6 | (next & 0x3F);
  }
  return {character, lead.more + 1, true};
}

}  // namespace computesdk::sandboxd
