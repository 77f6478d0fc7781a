#pragma once

#include <string>
#include <string_view>

namespace computesdk::simulators {

/// Output as the API shows it, which is text: what is no UTF-8 becomes U+FFFD. `rest`: a character whose end may still
/// come is left there instead.
std::string blaxelText(std::string_view bytes, std::string* rest = nullptr);

}  // namespace computesdk::simulators
