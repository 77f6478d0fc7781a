#include "elf/reader.hpp"

#include "values/fd.hpp"

#include <algorithm>
#include <cstring>

namespace computesdk::registry {
namespace {

constexpr std::size_t kWindow = 16 * 1024;
constexpr std::size_t kMaxText = 4096;
constexpr unsigned kMaxSegments = 256;

}  // namespace

bool ElfReader::fillWindow(std::uint64_t offset) {
  window_.resize(kWindow);
  ssize_t got = readAt(fd_, window_.data(), window_.size(), static_cast<off_t>(offset));
  windowStart_ = offset;
  window_.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  return got > 0;
}

bool ElfReader::readBytes(void* out, std::size_t length, std::uint64_t offset) {
  auto* to = static_cast<char*>(out);
  while (length > 0) {
    bool inWindow = offset >= windowStart_ && offset - windowStart_ < window_.size();
    if (!inWindow && !fillWindow(offset)) return false;
    std::size_t at = static_cast<std::size_t>(offset - windowStart_);
    std::size_t take = std::min(length, window_.size() - at);
    std::memcpy(to, window_.data() + at, take);
    to += take;
    offset += take;
    length -= take;
  }
  return true;
}

bool ElfReader::readHeaders() {
  auto header = read<Elf64_Ehdr>(0);
  if (!header) return false;
  header_ = *header;
  segments_.clear();
  if (header_.e_phentsize != sizeof(Elf64_Phdr) || header_.e_phnum == 0 || header_.e_phnum > kMaxSegments) return false;
  for (unsigned i = 0; i < header_.e_phnum; ++i) {
    std::uint64_t offset = header_.e_phoff + std::uint64_t{i} * sizeof(Elf64_Phdr);
    if (offset < header_.e_phoff) return false;
    auto segment = read<Elf64_Phdr>(offset);
    if (!segment) return false;
    segments_.push_back(*segment);
  }
  return true;
}

std::optional<std::uint64_t> ElfReader::offsetOf(std::uint64_t address, std::uint64_t length) const noexcept {
  for (const Elf64_Phdr& segment : segments_) {
    if (segment.p_type != PT_LOAD || address < segment.p_vaddr) continue;
    std::uint64_t within = address - segment.p_vaddr;
    if (within > segment.p_filesz || length > segment.p_filesz - within) continue;
    std::uint64_t offset = segment.p_offset + within;
    if (offset >= segment.p_offset && inside(offset, length)) return offset;
  }
  return std::nullopt;
}

std::optional<std::string> ElfReader::text(std::uint64_t table, std::uint64_t tableSize, std::uint64_t index) {
  if (index >= tableSize) return std::nullopt;
  std::uint64_t limit = std::min<std::uint64_t>(tableSize - index, kMaxText);
  std::string out;
  for (std::uint64_t i = 0; i < limit; ++i) {
    auto c = read<char>(table + index + i);
    if (!c) return std::nullopt;
    if (*c == '\0') return out;
    out += *c;
  }
  return std::nullopt;
}

}  // namespace computesdk::registry
