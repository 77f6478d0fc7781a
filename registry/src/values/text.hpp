#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

// Small text helpers for messages and names. All are pure.
namespace computesdk::registry {

std::string lowerCase(std::string_view text);
std::string join(const std::vector<std::string>& items, std::string_view separator);
/// "a", "a and b", "a, b and c".
std::string joinAnd(const std::vector<std::string>& items);
/// Levenshtein distance, counted up to `limit` + 1.
int editDistance(std::string_view a, std::string_view b, int limit);
/// The name nearest to `wanted` within two edits, or an empty string.
std::string didYouMean(std::string_view wanted, const std::vector<std::string>& names);
/// Whether a terminal may act on what begins at `at` instead of showing it: C0, DEL and, in UTF-8, C1.
bool isControlAt(std::string_view text, std::size_t at) noexcept;
/// The text with control characters as \xNN, cut at `max` bytes: fit for a message.
std::string printable(std::string_view text, std::size_t max = 128);
/// Whether every word of the shell would read `text` as itself; otherwise in single quotes.
std::string shellQuote(std::string_view text);

}  // namespace computesdk::registry
