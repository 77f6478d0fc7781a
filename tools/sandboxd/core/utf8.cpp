#include "core/utf8.hpp"

#include <algorithm>

namespace computesdk::sandboxd {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

struct Piece {
  std::size_t length;  ///< bytes of the character, or of the broken piece
  bool valid;
  bool cut;  ///< broken only because the bytes end here
};

unsigned char at(std::string_view bytes, std::size_t index) { return static_cast<unsigned char>(bytes[index]); }

/// Looks at what begins with the first byte. The table is that of the Unicode standard (well-formed byte sequences).
Piece nextPiece(std::string_view bytes) {
  const unsigned char lead = at(bytes, 0);
  if (lead < 0x80) return {1, true, false};
  std::size_t length = 0;
  unsigned char low = 0x80, high = 0xBF;
  if (lead >= 0xC2 && lead <= 0xDF) {
    length = 2;
  } else if (lead >= 0xE0 && lead <= 0xEF) {
    length = 3;
    if (lead == 0xE0) low = 0xA0;
    if (lead == 0xED) high = 0x9F;
  } else if (lead >= 0xF0 && lead <= 0xF4) {
    length = 4;
    if (lead == 0xF0) low = 0x90;
    if (lead == 0xF4) high = 0x8F;
  } else {
    return {1, false, false};
  }
  for (std::size_t i = 1; i < length; ++i) {
    if (i >= bytes.size()) return {i, false, true};
    const unsigned char byte = at(bytes, i);
    if (byte < low || byte > high) return {i, false, false};
    low = 0x80;
    high = 0xBF;
  }
  return {length, true, false};
}

/// Length of the plain ASCII at the beginning, which is nearly everything.
std::size_t asciiLength(std::string_view bytes) {
  std::size_t i = 0;
  while (i < bytes.size() && at(bytes, i) < 0x80) ++i;
  return i;
}

}  // namespace

std::string validUtf8(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size());
  while (!bytes.empty()) {
    const auto plain = asciiLength(bytes);
    out += bytes.substr(0, plain);
    bytes.remove_prefix(plain);
    if (bytes.empty()) break;
    const auto piece = nextPiece(bytes);
    out += piece.valid ? bytes.substr(0, piece.length) : kReplacement;
    bytes.remove_prefix(piece.length);
  }
  return out;
}

std::size_t completeUtf8(std::string_view bytes) {
  const auto size = bytes.size();
  for (std::size_t back = 1; back <= std::min<std::size_t>(3, size); ++back) {
    const unsigned char byte = at(bytes, size - back);
    if ((byte & 0xC0U) == 0x80) continue;
    if (byte < 0x80) return size;
    const auto piece = nextPiece(bytes.substr(size - back));
    return piece.cut && piece.length == back ? size - back : size;
  }
  return size;
}

std::string Utf8Stream::take(std::string_view bytes) {
  std::string joined;
  if (!held_.empty()) {
    joined = held_;
    joined += bytes;
    bytes = joined;
  }
  const auto complete = completeUtf8(bytes);
  std::string out = validUtf8(bytes.substr(0, complete));
  held_ = bytes.substr(complete);
  return out;
}

std::string Utf8Stream::finish() {
  std::string out = validUtf8(held_);
  held_.clear();
  return out;
}

std::string base64(std::string_view bytes) {
  static constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t left = std::min<std::size_t>(3, bytes.size() - i);
    unsigned value = 0;
    for (std::size_t k = 0; k < 3; ++k) value = value << 8U | (k < left ? at(bytes, i + k) : 0U);
    for (std::size_t k = 0; k < 4; ++k) out += k <= left ? kDigits[value >> (18 - 6 * k) & 63U] : '=';
  }
  return out;
}

void TextRing::append(std::string_view text) {
  if (text.size() > capacity_) text.remove_prefix(text.size() - capacity_);
  text_ += text;
  if (text_.size() <= capacity_) return;
  std::size_t cut = text_.size() - capacity_;
  while (cut < text_.size() && (at(text_, cut) & 0xC0U) == 0x80) ++cut;
  text_.erase(0, cut);
}

}  // namespace computesdk::sandboxd
