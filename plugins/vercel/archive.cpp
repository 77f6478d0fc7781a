#include "vercel/archive.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

namespace computesdk::vercel {
namespace {

constexpr std::size_t kBlock = 512;
constexpr std::size_t kNameMax = 100;
constexpr std::size_t kStoredMax = 65535;

constexpr std::array<std::uint32_t, 256> makeTable() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) value = (value & 1U) != 0 ? 0xedb88320U ^ (value >> 1) : value >> 1;
    table.at(i) = value;
  }
  return table;
}
constexpr std::array<std::uint32_t, 256> kTable = makeTable();

std::uint32_t crc32(std::uint32_t before, std::string_view bytes) {
  std::uint32_t value = ~before;
  for (const char c : bytes) value = kTable[(value ^ static_cast<unsigned char>(c)) & 0xffU] ^ (value >> 8);
  return ~value;
}

void putLittle(std::string& out, std::uint32_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) out += static_cast<char>(value >> (8 * i) & 0xffU);
}

/// Digits in base eight, with a NUL behind them, that fill the field.
void putOctal(std::string& header, std::size_t at, std::size_t width, std::uint64_t value) {
  for (std::size_t i = width - 1; i > 0; --i, value /= 8) header[at + i - 1] = static_cast<char>('0' + value % 8);
}

std::string header(std::string_view name, std::uint64_t size, std::uint32_t mode, std::int64_t modifiedSeconds,
                   char type) {
  std::string out(kBlock, '\0');
  out.replace(0, std::min(name.size(), kNameMax), name.substr(0, kNameMax));
  putOctal(out, 100, 8, mode & 07777U);
  putOctal(out, 108, 8, 0);
  putOctal(out, 116, 8, 0);
  putOctal(out, 124, 12, size);
  putOctal(out, 136, 12, static_cast<std::uint64_t>(std::max<std::int64_t>(modifiedSeconds, 0)));
  out.replace(148, 8, "        ");
  out[156] = type;
  out.replace(257, 8,
              std::string("ustar\0"
                          "00",
                          8));
  std::uint32_t sum = 0;
  for (const char c : out) sum += static_cast<unsigned char>(c);
  putOctal(out, 148, 7, sum);
  out[154] = '\0';
  return out;
}

std::string padded(std::string_view content) {
  std::string out(content);
  out.resize((content.size() + kBlock - 1) / kBlock * kBlock, '\0');
  return out;
}

/// "27 path=a/long/name\n": the number counts the whole record, itself too.
std::string paxRecord(std::string_view key, std::string_view value) {
  const std::size_t rest = key.size() + value.size() + 3;
  std::size_t size = rest + 1;
  while (std::to_string(size).size() + rest != size) size = std::to_string(size).size() + rest;
  return std::to_string(size) + " " + std::string(key) + "=" + std::string(value) + "\n";
}

}  // namespace

std::string Archive::begin() {
  // Magic, deflate, no flags, no time, no level, Unix.
  return {"\x1f\x8b\x08\0\0\0\0\0\0\x03", 10};
}

std::string Archive::pack(std::string_view bytes) {
  check_ = crc32(check_, bytes);
  size_ += bytes.size();
  std::string out;
  out.reserve(bytes.size() + 5 * (bytes.size() / kStoredMax + 1));
  while (!bytes.empty()) {
    const std::string_view piece = bytes.substr(0, kStoredMax);
    const auto length = static_cast<std::uint32_t>(piece.size());
    out += '\0';  // a stored block, not the last one
    putLittle(out, length, 2);
    putLittle(out, ~length, 2);
    out += piece;
    bytes.remove_prefix(piece.size());
  }
  return out;
}

std::string Archive::file(std::string_view name, std::string_view content, std::uint32_t mode,
                          std::int64_t modifiedSeconds) {
  std::string entry;
  if (name.size() > kNameMax) {
    const std::string record = paxRecord("path", name);
    entry = header("PaxHeader", record.size(), 0644, modifiedSeconds, 'x') + padded(record);
  }
  entry += header(name, content.size(), mode, modifiedSeconds, '0');
  entry += padded(content);
  return pack(entry);
}

std::string Archive::end() {
  std::string out = pack(std::string(2 * kBlock, '\0'));
  out += std::string("\x01\0\0\xff\xff", 5);  // the last block, empty
  putLittle(out, check_, 4);
  putLittle(out, static_cast<std::uint32_t>(size_ & 0xffffffffU), 4);
  return out;
}

}  // namespace computesdk::vercel
