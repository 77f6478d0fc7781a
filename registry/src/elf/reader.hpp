#pragma once

#include <elf.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace computesdk::registry {

/// The parts of an ELF file, each read by offset and only when it lies inside the file. 64-bit, this machine's byte
/// order. Not thread-safe.
class ElfReader {
 public:
  ElfReader(int fd, std::uint64_t size) : fd_(fd), size_(size) {}

  [[nodiscard]] std::uint64_t size() const noexcept { return size_; }
  /// Whether [offset, offset + length) lies inside the file; no overflow.
  [[nodiscard]] bool inside(std::uint64_t offset, std::uint64_t length) const noexcept {
    return offset <= size_ && length <= size_ - offset;
  }

  /// One plain struct at an offset, or nothing.
  template <typename T>
  std::optional<T> read(std::uint64_t offset) {
    T value;
    if (!inside(offset, sizeof(T)) || !readBytes(&value, sizeof(T), offset)) return std::nullopt;
    return value;
  }

  /// The ELF and program headers. False when they do not lie inside the file.
  bool readHeaders();
  [[nodiscard]] const Elf64_Ehdr& header() const noexcept { return header_; }
  [[nodiscard]] const std::vector<Elf64_Phdr>& segments() const noexcept { return segments_; }

  /// Where an address of the loaded image lies in the file, if `length` bytes of it do.
  [[nodiscard]] std::optional<std::uint64_t> offsetOf(std::uint64_t address, std::uint64_t length) const noexcept;
  /// A NUL-terminated string that begins at `index` of a table; at most 4 KiB. Nothing when it leaves the table.
  std::optional<std::string> text(std::uint64_t table, std::uint64_t tableSize, std::uint64_t index);

 private:
  bool readBytes(void* out, std::size_t length, std::uint64_t offset);
  bool fillWindow(std::uint64_t offset);

  int fd_;
  std::uint64_t size_;
  Elf64_Ehdr header_{};
  std::vector<Elf64_Phdr> segments_;
  std::vector<char> window_;  ///< the last piece of the file read: symbols and strings lie close together
  std::uint64_t windowStart_ = 0;
};

}  // namespace computesdk::registry
