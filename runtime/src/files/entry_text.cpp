#include "files/entry_text.hpp"

#include "files/base64.hpp"

#include <algorithm>
#include <array>
#include <charconv>

namespace computesdk::detail {
namespace {

/// Cuts `text` behind the first `end`; nothing when there is none.
std::optional<std::string_view> cut(std::string_view& text, char end) {
  const auto at = text.find(end);
  if (at == text.npos) return std::nullopt;
  const std::string_view part = text.substr(0, at);
  text.remove_prefix(at + 1);
  return part;
}

template <typename T>
bool number(std::string_view text, T& value, int base = 10) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  return error == std::errc{} && end == text.data() + text.size();
}

EntryType typeOf(std::uint32_t mode) {
  switch (mode & 0170000) {
    case 0100000: return EntryType::file;
    case 0040000: return EntryType::directory;
    case 0120000: return EntryType::symlink;
    default: return EntryType::other;
  }
}

std::optional<FileEntry> parseEntry(std::string_view& text) {
  FileEntry entry;
  std::int64_t modified = 0;
  std::array<std::string_view, 4> words;
  for (std::string_view& word : words) {
    auto part = cut(text, ' ');
    if (!part) return std::nullopt;
    word = *part;
  }
  auto group = cut(text, '\n');
  auto name = cut(text, '\0');
  auto target = cut(text, '\0');
  if (!group || !name || !target) return std::nullopt;
  if (!number(words[0], entry.mode, 16) || !number(words[1], entry.size) || !number(words[2], modified)) {
    return std::nullopt;
  }
  entry.type = typeOf(entry.mode);
  entry.mode &= 07777;
  entry.modifiedAt = SystemTime(std::chrono::seconds(modified));
  entry.owner = words[3];
  entry.group = *group;
  entry.name = *name;
  if (entry.type == EntryType::symlink) entry.linkTarget = *target;
  return entry;
}

}  // namespace

std::optional<std::vector<FileEntry>> parseEntries(std::string_view base64) {
  Base64Decoder decoder;
  std::vector<std::byte> bytes;
  if (!decoder.feed(base64, bytes) || !decoder.complete()) return std::nullopt;
  std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  std::vector<FileEntry> entries;
  while (!text.empty()) {
    auto entry = parseEntry(text);
    if (!entry) return std::nullopt;
    entries.push_back(std::move(*entry));
  }
  std::ranges::sort(entries, {}, &FileEntry::name);
  return entries;
}

}  // namespace computesdk::detail
