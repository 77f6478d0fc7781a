#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace computesdk::vercel {

/// A gzipped tar, piece by piece: what Vercel takes files as. The content is stored, not compressed. What the functions
/// give is to be sent at once and in this order.
class Archive {
 public:
  /// gzip's head.
  [[nodiscard]] static std::string begin();
  /// A whole file. `name` has no slash in front; a long one is no problem.
  std::string file(std::string_view name, std::string_view content, std::uint32_t mode, std::int64_t modifiedSeconds);
  /// The end of both.
  std::string end();

 private:
  std::string pack(std::string_view bytes);

  std::uint32_t check_ = 0;  ///< CRC-32 of all that was packed
  std::uint64_t size_ = 0;
};

}  // namespace computesdk::vercel
