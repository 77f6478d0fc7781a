#include "text.hpp"

#include <array>

namespace computesdk::simulators {
namespace {

struct Shape {
  unsigned char first, last;           // of the first byte
  unsigned char secondFrom, secondTo;  // of the second
  std::size_t length;
};
constexpr std::array kShapes = {
    Shape{0x00, 0x7f, 0, 0, 1},       Shape{0xc2, 0xdf, 0x80, 0xbf, 2}, Shape{0xe0, 0xe0, 0xa0, 0xbf, 3},
    Shape{0xe1, 0xec, 0x80, 0xbf, 3}, Shape{0xed, 0xed, 0x80, 0x9f, 3}, Shape{0xee, 0xef, 0x80, 0xbf, 3},
    Shape{0xf0, 0xf0, 0x90, 0xbf, 4}, Shape{0xf1, 0xf3, 0x80, 0xbf, 4}, Shape{0xf4, 0xf4, 0x80, 0x8f, 4},
};

}  // namespace

std::string blaxelText(std::string_view bytes, std::string* rest) {
  if (rest != nullptr) rest->clear();
  std::string text;
  text.reserve(bytes.size());
  std::size_t at = 0;
  while (at < bytes.size()) {
    const auto first = static_cast<unsigned char>(bytes[at]);
    const Shape* shape = nullptr;
    for (const Shape& each : kShapes) {
      if (first >= each.first && first <= each.last) shape = &each;
    }
    std::size_t good = 1;
    while (shape != nullptr && good < shape->length && at + good < bytes.size()) {
      const auto next = static_cast<unsigned char>(bytes[at + good]);
      const unsigned char from = good == 1 ? shape->secondFrom : 0x80, to = good == 1 ? shape->secondTo : 0xbf;
      if (next < from || next > to) break;
      ++good;
    }
    if (shape != nullptr && good == shape->length) {
      text += bytes.substr(at, good);
    } else if (shape != nullptr && rest != nullptr && at + good == bytes.size()) {
      rest->assign(bytes.substr(at));
      return text;
    } else {
      text += "\xef\xbf\xbd";
    }
    at += good;
  }
  return text;
}

}  // namespace computesdk::simulators
