#include "memory/text_record.hpp"

namespace computesdk::detail {
namespace {

constexpr std::string_view kHex = "0123456789ABCDEF";

bool plain(char c, std::string_view keep) {
  if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')) return true;
  return std::string_view("-._~/@+ ,").find(c) != std::string_view::npos || keep.find(c) != std::string_view::npos;
}

int hexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

}  // namespace

std::string percentEncode(std::string_view text, std::string_view keep) {
  std::string out;
  out.reserve(text.size());
  for (char c : text) {
    if (plain(c, keep)) {
      out += c;
    } else {
      auto byte = static_cast<unsigned char>(c);
      out += {'%', kHex[byte >> 4], kHex[byte & 15]};
    }
  }
  return out;
}

std::optional<std::string> percentDecode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    if (i + 2 >= text.size()) return std::nullopt;
    int high = hexDigit(text[i + 1]);
    int low = hexDigit(text[i + 2]);
    if (high < 0 || low < 0) return std::nullopt;
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return out;
}

std::string encodeRecord(const StringMap& fields) {
  std::string out;
  for (const auto& [key, value] : fields) {
    out += key;
    out += '=';
    out += percentEncode(value);
    out += '\n';
  }
  return out;
}

std::optional<StringMap> decodeRecord(std::string_view text) {
  StringMap fields;
  while (!text.empty()) {
    auto end = text.find('\n');
    if (end == text.npos) return std::nullopt;
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 1);
    auto equals = line.find('=');
    if (equals == line.npos || equals == 0) return std::nullopt;
    auto value = percentDecode(line.substr(equals + 1));
    if (!value) return std::nullopt;
    fields.insert_or_assign(std::string(line.substr(0, equals)), std::move(*value));
  }
  return fields;
}

}  // namespace computesdk::detail
