#include "tar_reader.hpp"

#include <algorithm>
#include <cstring>

namespace computesdk::local::rootfs {
namespace {

constexpr std::size_t kBlock = 512, kLongestName = 4096, kLongestPax = 1U << 20;
constexpr std::uint64_t kLargest = 1ULL << 50;

struct Field {
  std::size_t at, size;
};
constexpr Field kName{0, 100}, kMode{100, 8}, kSize{124, 12}, kTime{136, 12}, kSum{148, 8}, kLink{157, 100},
    kPathPrefix{345, 155};
constexpr std::size_t kType = 156, kMagic = 257;

std::string textOf(const char* header, Field field) {
  return {header + field.at, ::strnlen(header + field.at, field.size)};
}

// Octal, or with the first bit set base 256. False: neither.
bool numberOf(const char* header, Field field, std::uint64_t& value) {
  const auto* at = reinterpret_cast<const unsigned char*>(header + field.at);
  value = 0;
  if ((at[0] & 0x80) != 0) {
    if (at[0] != 0x80) return false;  // negative, or too large
    for (std::size_t i = 1; i < field.size; ++i) {
      if (value >> 56 != 0) return false;
      value = value << 8 | at[i];
    }
    return true;
  }
  std::size_t i = 0;
  while (i < field.size && at[i] == ' ') ++i;
  for (; i < field.size && at[i] >= '0' && at[i] <= '7'; ++i)
    value = value << 3 | static_cast<std::uint64_t>(at[i] - '0');
  return i == field.size || at[i] == 0 || at[i] == ' ';
}

bool sumIsRight(const char* header) {
  std::uint64_t stored, sum = 0;
  if (!numberOf(header, kSum, stored)) return false;
  for (std::size_t i = 0; i < kBlock; ++i) {
    const bool inSum = i >= kSum.at && i < kSum.at + kSum.size;
    sum += inSum ? ' ' : static_cast<unsigned char>(header[i]);
  }
  return sum == stored;
}

EntryKind kindOf(char type) {
  switch (type) {
    case 0:
    case '0':
    case '7': return EntryKind::kFile;
    case '1': return EntryKind::kHardLink;
    case '2': return EntryKind::kSymlink;
    case '5': return EntryKind::kFolder;
    default: return EntryKind::kOther;
  }
}

bool decimal(const std::string& text, std::uint64_t& value) {
  value = 0;
  if (text.empty()) return false;
  for (const char c : text) {
    if (c < '0' || c > '9' || value > kLargest) return false;
    value = value * 10 + static_cast<std::uint64_t>(c - '0');
  }
  return true;
}

}  // namespace

Result<bool> TarReader::block(char* to) {
  std::size_t have = 0;
  while (have < kBlock) {
    const auto got = from_.read(to + have, kBlock - have);
    if (!got.ok()) return got.error();
    if (*got == 0) {
      if (have == 0) return false;
      return invalidArgument("a layer is cut off");
    }
    have += *got;
  }
  return true;
}

Status TarReader::skip(std::uint64_t size) {
  char waste[8192];
  while (size > 0) {
    const auto got = from_.read(waste, static_cast<std::size_t>(std::min<std::uint64_t>(size, sizeof waste)));
    if (!got.ok()) return got.error();
    if (*got == 0) return invalidArgument("a layer is cut off");
    size -= *got;
  }
  return okStatus();
}

Result<std::size_t> TarReader::read(void* to, std::size_t size) {
  if (left_ == 0) return std::size_t{0};
  const auto got = from_.read(to, static_cast<std::size_t>(std::min<std::uint64_t>(size, left_)));
  if (!got.ok()) return got;
  if (*got == 0) return invalidArgument("a layer is cut off");
  left_ -= *got;
  return got;
}

Result<std::string> TarReader::text(std::uint64_t size) {
  std::string value(static_cast<std::size_t>(size), 0);
  for (std::size_t have = 0; have < value.size();) {
    const auto got = from_.read(value.data() + have, value.size() - have);
    if (!got.ok()) return got.error();
    if (*got == 0) return invalidArgument("a layer is cut off");
    have += *got;
  }
  if (Status skipped = skip((kBlock - size % kBlock) % kBlock); !skipped.ok()) return skipped.error();
  return value;
}

// "LENGTH key=value\n", over and over.
Status TarReader::pax(std::uint64_t size, TarEntry& over, bool& hasSize) {
  if (size > kLongestPax) return invalidArgument("a layer's extended header is too long");
  const auto records = text(size);
  if (!records.ok()) return records.error();
  for (std::size_t at = 0; at < records->size();) {
    const std::size_t blank = records->find(' ', at);
    std::uint64_t length = 0;
    if (blank == std::string::npos || !decimal(records->substr(at, blank - at), length) ||
        length > records->size() - at || length < blank - at + 2) {
      return invalidArgument("a layer's extended header is damaged");
    }
    const std::string record = records->substr(blank + 1, at + static_cast<std::size_t>(length) - blank - 2);
    at += static_cast<std::size_t>(length);
    const std::size_t equals = record.find('=');
    if (equals == std::string::npos) return invalidArgument("a layer's extended header is damaged");
    const std::string key = record.substr(0, equals), value = record.substr(equals + 1);
    if (key == "path") over.path = value;
    if (key == "linkpath") over.link = value;
    if (key == "size") {
      if (!decimal(value, over.size)) return invalidArgument("a layer's extended header is damaged");
      hasSize = true;
    }
    if (key.rfind("GNU.sparse.", 0) == 0) {
      return Error{.kind = ErrorClass::kUnimplemented, .message = "sparse files in a layer are not supported"};
    }
  }
  return okStatus();
}

Result<std::optional<TarEntry>> TarReader::next() {
  if (Status skipped = skip(left_ + padding_); !skipped.ok()) return skipped.error();
  left_ = padding_ = 0;
  TarEntry over;  // what extended headers say of the entry that follows
  bool hasSize = false;
  for (;;) {
    char header[kBlock];
    const auto there = block(header);
    if (!there.ok()) return there.error();
    // A block of zeros is the end; some writers leave it out.
    if (!*there || std::all_of(header, header + kBlock, [](char c) { return c == 0; }))
      return std::optional<TarEntry>();
    std::uint64_t size = 0, mode = 0, time = 0;
    if (!sumIsRight(header) || !numberOf(header, kSize, size) || size > kLargest)
      return invalidArgument("a layer is no tar archive");
    if (!numberOf(header, kMode, mode)) mode = 0644;
    if (!numberOf(header, kTime, time)) time = 0;
    const char type = header[kType];
    if (type == 'x' || type == 'g') {
      TarEntry global;
      bool ignored = false;
      Status read = type == 'x' ? pax(size, over, hasSize) : pax(size, global, ignored);
      if (!read.ok()) return read.error();
      continue;
    }
    if (type == 'L' || type == 'K') {
      if (size > kLongestName + 1) return invalidArgument("a name in a layer is too long");
      auto name = text(size);
      if (!name.ok()) return name.error();
      name->resize(::strnlen(name->data(), name->size()));
      (type == 'L' ? over.path : over.link) = std::move(*name);
      continue;
    }
    if (type == 'S')
      return Error{.kind = ErrorClass::kUnimplemented, .message = "sparse files in a layer are not supported"};

    TarEntry entry;
    entry.kind = kindOf(type);
    entry.mode = static_cast<std::uint32_t>(mode & 07777);
    entry.mtime = static_cast<std::int64_t>(std::min<std::uint64_t>(time, 1ULL << 40));
    entry.path = textOf(header, kName);
    const std::string prefix = std::memcmp(header + kMagic, "ustar\0", 6) == 0 ? textOf(header, kPathPrefix) : "";
    if (!prefix.empty()) entry.path = prefix + "/" + entry.path;
    if (!over.path.empty()) entry.path = over.path;
    entry.link = over.link.empty() ? textOf(header, kLink) : over.link;
    entry.size = hasSize ? over.size : size;
    if (entry.path.size() > kLongestName || entry.link.size() > kLongestName)
      return invalidArgument("a name in a layer is too long");
    if (entry.path.find('\0') != std::string::npos || entry.link.find('\0') != std::string::npos) {
      return invalidArgument("a name in a layer holds a zero byte");
    }
    left_ = entry.size;
    padding_ = (kBlock - entry.size % kBlock) % kBlock;
    if (entry.kind == EntryKind::kFile && !entry.path.empty() && entry.path.back() == '/')
      entry.kind = EntryKind::kFolder;
    return std::optional<TarEntry>(std::move(entry));
  }
}

}  // namespace computesdk::local::rootfs
