// Reads a tar archive entry by entry: ustar, pax and GNU long names. What it gives is not to be trusted.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "byte_source.hpp"

namespace computesdk::local::rootfs {

enum class EntryKind : std::uint8_t { kFile, kFolder, kSymlink, kHardLink, kOther };

struct TarEntry {
  EntryKind kind = EntryKind::kOther;
  std::string path;  // as stored: may be absolute, hold "..", anything
  std::string link;
  std::uint64_t size = 0;
  std::uint32_t mode = 0;
  std::int64_t mtime = 0;
};

class TarReader {
 public:
  explicit TarReader(ByteSource& from) : from_(from) {}
  // The next entry, nullopt at the archive's end. Skips what was not read of the one before. kInvalidArgument: no
  // archive, cut off, a wrong checksum, a name longer than 4 KiB; kUnimplemented: GNU sparse files.
  Result<std::optional<TarEntry>> next();
  // Content of the current entry; 0 at its end.
  Result<std::size_t> read(void* to, std::size_t size);

 private:
  Result<bool> block(char* to);  // false: the end of the stream, exactly here
  Status skip(std::uint64_t size);
  Result<std::string> text(std::uint64_t size);
  Status pax(std::uint64_t size, TarEntry& over, bool& hasSize);
  ByteSource& from_;
  std::uint64_t left_ = 0, padding_ = 0;
};

}  // namespace computesdk::local::rootfs
