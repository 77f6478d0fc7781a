#pragma once

#include <computesdk/types.hpp>

#include <optional>
#include <string>
#include <string_view>

// Small records as text: one `key=value` a line, sorted by key, values percent-encoded. What the runtime keeps on disk
// and in the store of names has this form; a person can read it, and no byte of a value can be taken for structure.
namespace computesdk::detail {

/// Letters, digits and `-._~/@+ ,` stay as they are, and so does what `keep` holds; other bytes become %XX.
std::string percentEncode(std::string_view text, std::string_view keep = {});
/// Nothing when a % is not followed by two hex digits.
std::optional<std::string> percentDecode(std::string_view text);

std::string encodeRecord(const StringMap& fields);
/// Nothing when it is not such a record.
std::optional<StringMap> decodeRecord(std::string_view text);

}  // namespace computesdk::detail
