#pragma once

#include <string>
#include <string_view>

namespace computesdk::simulators {

/// Text of bytes: what is no UTF-8 is replaced by U+FFFD. `rest`: a character that may go on is left there instead, in
/// bytes that `text` does not stand for.
std::string utf8Of(std::string_view bytes, std::string* rest = nullptr);

}  // namespace computesdk::simulators
