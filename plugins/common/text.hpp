#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// Text on its way into URLs and messages.
namespace computesdk::vendor {

/// RFC 3986: letters, digits and -._~ stay, everything else becomes %XX.
std::string percentEncode(std::string_view text);
/// The other way; a % without two digits stays. `+` stays too.
std::string percentDecode(std::string_view text);

/// An id as one segment of a URL's path, percent-encoded. Throws plugin::Error (CSDK_NOT_FOUND) for what no server
/// takes as one, so that nobody is led to another path: nothing, "." and "..".
std::string pathSegment(std::string_view id);

/// A URL's query: Query().add("path", path).add("limit", "100").on("/files") is "/files?path=…&limit=100".
class Query {
 public:
  Query& add(std::string_view key, std::string_view value);
  /// Only when `value` is not empty.
  Query& addText(std::string_view key, std::string_view value) { return value.empty() ? *this : add(key, value); }
  /// key=value&…, without a question mark.
  [[nodiscard]] const std::string& text() const noexcept { return text_; }
  /// `path` with the query behind it; it may have one of its own already.
  [[nodiscard]] std::string on(std::string_view path) const;

 private:
  std::string text_;
};

std::string lowerCase(std::string_view text);
bool containsNoCase(std::string_view text, std::string_view lowerNeedle);

/// Text of a vendor made fit for one line of a message: control characters become spaces, what is not UTF-8 becomes
/// '?', at most `most` bytes with "…" where something was cut.
std::string oneLine(std::string_view text, std::size_t most);

/// "https://a.b/x/" -> "https://a.b/x".
std::string withoutTrailingSlash(std::string_view url);
/// "https://a.b:1/x?y" -> "a.b:1"; empty for what is no URL.
std::string_view hostOf(std::string_view url);

}  // namespace computesdk::vendor
