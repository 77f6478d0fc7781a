#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace computesdk::sandboxd {

/// A file of KEY=value lines as shells and dotenv read them. Comments, blank lines and lines that are nothing of the
/// kind keep their place and their text; so does every assignment that is not changed.
///
/// Values: '…' is literal, "…" knows \n \r \t \" \\ \$ \` and may span lines, quoted pieces may follow each other
/// without a space, and anything else goes to the end of the line or to " #". What `set` writes reads back the same
/// here and in a POSIX shell. A plain value.
class EnvFile {
 public:
  using Variables = std::vector<std::pair<std::string, std::string>>;

  /// Never fails: lines that mean nothing are kept.
  static EnvFile parse(std::string_view text);

  /// Each key once, with its last value, in the order of their first lines.
  [[nodiscard]] Variables variables() const;
  [[nodiscard]] std::optional<std::string> find(std::string_view key) const;
  /// The file's text.
  [[nodiscard]] std::string text() const;

  /// Changes the last assignment of the key, or adds one at the end. `key` and `value` must be valid.
  void set(std::string_view key, std::string_view value);
  /// Removes every assignment of the key. False when there was none.
  bool remove(std::string_view key);

  /// [A-Za-z_][A-Za-z0-9_]*: what shells take as a name.
  static bool validKey(std::string_view key);
  /// Any text but one with a NUL, which no environment can hold.
  static bool validValue(std::string_view value);
  /// The value as it is written behind "KEY=".
  static std::string quote(std::string_view value);

 private:
  /// A line, or several when a quoted value spans them.
  struct Entry {
    std::string before;      ///< all of the text for what is no assignment; else indentation, "export " and the like
    std::string key;         ///< empty: no assignment
    std::string assignment;  ///< from the key's end to the value's end, as written
    std::string after;       ///< a comment and the end of the line
    std::string value;
    bool openQuote = false;  ///< begins with a quote that nothing ends: taken literally
  };

  static Entry parseEntry(std::string_view text, std::size_t& at);
  static void rewrite(Entry& entry, std::string_view value);
  /// A quote that nothing ends would take in what is written below it.
  void endOpenQuotes();

  void add(Entry entry);

  std::vector<Entry> entries_;
  std::map<std::string, std::vector<std::size_t>, std::less<>> places_;  ///< key -> its entries, in order
  bool openQuotes_ = false;
};

}  // namespace computesdk::sandboxd
