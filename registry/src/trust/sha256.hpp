#pragma once

#include <computesdk/result.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace computesdk::registry {

/// SHA-256 (FIPS 180-4), without a crypto library: the registry's own part links none. Not thread-safe.
class Sha256 {
 public:
  Sha256();
  void update(std::span<const std::byte> bytes);
  /// The digest as 64 lower-case hexadecimal digits. The object is used up.
  std::string finish();

 private:
  void block(const std::uint8_t* data);

  std::array<std::uint32_t, 8> state_;
  std::array<std::uint8_t, 64> buffer_{};
  std::size_t buffered_ = 0;
  std::uint64_t total_ = 0;
};

/// Digest of a whole file through its descriptor, whose position does not matter. Errors: only `why` is filled in.
Result<std::string> sha256OfFile(int fd);

}  // namespace computesdk::registry
