#pragma once

#include <cstddef>
#include <string_view>

namespace computesdk::sandboxd {

/// One character of a text.
struct Utf8Step {
  char32_t character = 0;
  std::size_t length = 0;  ///< in bytes; 0 only at the end of the text
  bool valid = false;      ///< false: `character` is a byte that begins none, and `length` 1
};
/// The character that begins at `at`.
Utf8Step stepUtf8(std::string_view text, std::size_t at);

}  // namespace computesdk::sandboxd
