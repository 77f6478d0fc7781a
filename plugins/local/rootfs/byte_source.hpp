// Bytes that come one after the other: a file, hashed as it is read, and what is inside a gzip stream.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "../engine/result.hpp"
#include "../engine/unique_fd.hpp"
#include "sha256.hpp"

namespace computesdk::local::rootfs {

class ByteSource {
 public:
  virtual ~ByteSource() = default;
  // Up to `size` bytes into `to`; 0 at the end.
  virtual Result<std::size_t> read(void* to, std::size_t size) = 0;
};

// A blob of known digest and size. Not the bytes but the end tells whether it was the right one: call verify().
class BlobSource final : public ByteSource {
 public:
  BlobSource(UniqueFd file, std::string hexDigest, std::uint64_t size)
      : file_(std::move(file)), digest_(std::move(hexDigest)), left_(size) {}
  Result<std::size_t> read(void* to, std::size_t size) override;
  // Reads what is left and compares. kInvalidArgument: another size or digest.
  Status verify();

 private:
  UniqueFd file_;
  std::string digest_;
  std::uint64_t left_;
  Sha256 hash_;
};

// Decompresses gzip, also of several members. Fails beyond `most` bytes (kResourceExhausted).
std::unique_ptr<ByteSource> gunzip(ByteSource& compressed, std::uint64_t most);

}  // namespace computesdk::local::rootfs
