#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace computesdk::vendor {

/// RFC 4648 with padding.
std::string base64Encode(std::string_view bytes);
/// With - and _ in place of + and /, and without padding.
std::string base64UrlEncode(std::string_view bytes);
/// Both alphabets, padding or none. Nothing for what is neither: other characters, an impossible length.
std::optional<std::string> base64Decode(std::string_view text);

}  // namespace computesdk::vendor
