#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace computesdk::detail {

std::string base64Encode(std::span<const std::byte> bytes);

/// Decodes what comes in pieces; spaces and line ends are skipped. A plain value.
class Base64Decoder {
 public:
  /// Appends the decoded bytes. False for a character that does not belong there.
  bool feed(std::string_view text, std::vector<std::byte>& out);
  /// Whether the text ended where it may.
  [[nodiscard]] bool complete() const noexcept { return count_ == 0; }

 private:
  std::uint32_t bits_ = 0;
  int count_ = 0;    ///< characters of the current group
  int padding_ = 0;  ///< '=' seen in it
  bool over_ = false;
};

}  // namespace computesdk::detail
