#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace computesdk::sandboxd {

/// One glob: `?`, `*` (within a name), `**` (across names), `[a-z]`, `[!a-z]`, `{a,b}`, `\` before a character that is
/// meant. `**/x` also matches `x`, and `x/**` also `x`. Matching costs at most text length x pattern length, whatever
/// the pattern: nothing is tried twice. Immutable once made, so any number of threads may use it.
class Glob {
 public:
  /// Nothing for a pattern that is empty, longer than 1024 bytes, or whose braces stand for more than 64 patterns.
  static std::optional<Glob> parse(std::string_view pattern);

  /// Whether the whole of `text` matches. Bytes that are no UTF-8 count as one character each.
  [[nodiscard]] bool matches(std::string_view text) const;

 private:
  enum class Kind : std::uint8_t { kOne, kAny, kClass, kStar, kAcross, kAtName, kInName };
  struct Range {
    char32_t first;
    char32_t last;
  };
  struct Step {
    Kind kind;
    bool inverted = false;     ///< of a class
    char32_t character = 0;    ///< of kOne
    std::uint32_t ranges = 0;  ///< of a class: where its ranges begin in ranges_
    std::uint32_t rangeCount = 0;
  };
  /// What one alternative of the braces compiles to. Without wildcards it is compared as it is.
  struct Alternative {
    bool literal = true;
    std::string text;
    std::vector<Step> steps;
  };

  void compile(const std::u32string& pattern);
  std::size_t compileClass(const std::u32string& pattern, std::size_t at, Alternative& into);
  [[nodiscard]] bool accepts(const Step& step, char32_t character) const;
  [[nodiscard]] bool run(const Alternative& alternative, const std::u32string& text) const;

  std::vector<Alternative> alternatives_;
  std::vector<Range> ranges_;
};

/// Several globs that say what to leave out. Immutable once made.
class GlobSet {
 public:
  /// Nothing when one of the patterns is refused; `bad` then names it. At most 256 patterns.
  static std::optional<GlobSet> parse(const std::vector<std::string>& patterns, std::string& bad);

  /// Whether a glob matches the whole of `relative` ("src/a.log") or any one of its names.
  [[nodiscard]] bool matches(std::string_view relative) const;
  [[nodiscard]] bool empty() const { return globs_.empty(); }

 private:
  std::vector<Glob> globs_;
};

}  // namespace computesdk::sandboxd
