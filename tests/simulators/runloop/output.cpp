#include "output.hpp"

namespace computesdk::simulators {
namespace {

constexpr std::string_view kReplacement = "\xef\xbf\xbd";

// Length of the character that begins with this byte; 0: none does.
std::size_t lengthOf(unsigned char first) {
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first < 0xe0) return 2;
  if (first >= 0xe0 && first < 0xf0) return 3;
  if (first >= 0xf0 && first < 0xf5) return 4;
  return 0;
}

// Whether `second` may follow `first`: no overlong forms, surrogates or what is beyond U+10FFFF.
bool mayFollow(unsigned char first, unsigned char second) {
  if ((second & 0xc0U) != 0x80) return false;
  if (first == 0xe0) return second >= 0xa0;
  if (first == 0xed) return second < 0xa0;
  if (first == 0xf0) return second >= 0x90;
  if (first == 0xf4) return second < 0x90;
  return true;
}

}  // namespace

std::string utf8Of(std::string_view bytes, std::string* rest) {
  std::string text;
  while (!bytes.empty()) {
    const auto first = static_cast<unsigned char>(bytes.front());
    const std::size_t wanted = lengthOf(first);
    std::size_t good = 1;
    while (good < wanted && good < bytes.size()) {
      const auto next = static_cast<unsigned char>(bytes[good]);
      if (good == 1 ? !mayFollow(first, next) : (next & 0xc0U) != 0x80) break;
      ++good;
    }
    if (good == wanted) {
      text += bytes.substr(0, good);
    } else if (wanted != 0 && good == bytes.size() && rest != nullptr) {
      rest->assign(bytes);
      return text;
    } else {
      text += kReplacement;
    }
    bytes.remove_prefix(good);
  }
  if (rest != nullptr) rest->clear();
  return text;
}

}  // namespace computesdk::simulators
