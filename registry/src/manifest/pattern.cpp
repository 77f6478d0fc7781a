#include "manifest/pattern.hpp"

#include <algorithm>

namespace computesdk::registry {
namespace {

constexpr std::size_t kMaxPattern = 256;
constexpr long kMaxRepeats = 1000;
constexpr const char* kTooLarge = "a pattern is longer than 256 bytes or repeats more than 1000 times";

/// Reads a pattern by recursive descent; the length of the pattern bounds the depth.
class PatternReader {
 public:
  explicit PatternReader(std::string_view pattern) : rest_(pattern) {}

  std::string read() {
    bool empty = false;
    if (alternatives(empty) && !rest_.empty()) fail("a ) closes nothing");
    return why_;
  }

 private:
  bool fail(const char* why) {
    if (why_.empty()) why_ = std::string("a pattern cannot be read: ") + why;
    return false;
  }

  bool take(char wanted) {
    if (!rest_.starts_with(wanted)) return false;
    rest_.remove_prefix(1);
    return true;
  }

  /// `empty`: it fits the empty text.
  bool alternatives(bool& empty) {
    int emptyOnes = 0;
    do {
      bool one = false;
      if (!sequence(one)) return false;
      emptyOnes += one ? 1 : 0;
    } while (take('|'));
    // Each way through nothing is followed apart: two in a row make four, ten make a thousand.
    if (emptyOnes > 1) return fail("more than one alternative fits the empty text");
    empty = emptyOnes > 0;
    return true;
  }

  bool sequence(bool& empty) {
    empty = true;
    bool any = false;
    while (!rest_.empty() && !rest_.starts_with('|') && !rest_.starts_with(')')) {
      if (take('^') || take('$')) continue;
      bool atomEmpty = false;
      if (!atom(atomEmpty) || !quantifier(atomEmpty)) return false;
      empty = empty && atomEmpty;
      any = true;
    }
    return any || fail("an alternative or a group has nothing in it");
  }

  bool atom(bool& empty) {
    if (take('(')) return alternatives(empty) && (take(')') || fail("a ( is not closed"));
    if (take('[')) return characters();
    if (take('\\')) return escaped("^$|()?*+.[]{}\\fnrtv");
    if (std::string_view("?*+{").find(rest_.front()) != std::string_view::npos) {
      return fail("a repetition follows nothing that it could repeat");
    }
    if (rest_.front() == '\0') return fail("it has a zero byte");
    rest_.remove_prefix(1);
    return true;
  }

  bool characters() {
    take('^');
    if (rest_.starts_with(']')) return fail("a [] is empty");
    while (!rest_.empty() && rest_.front() != '\0') {
      if (take(']')) return true;
      if (take('\\')) {
        if (!escaped("^$|()?*+.[]{}\\fnrtvb")) return false;
      } else {
        rest_.remove_prefix(1);
      }
    }
    return fail("a [ is not closed");
  }

  bool escaped(std::string_view known) {
    if (rest_.empty() || known.find(rest_.front()) == std::string_view::npos) {
      return fail("after \\ only one of ^$|()?*+.[]{}\\fnrtv is known (write [0-9] for \\d)");
    }
    rest_.remove_prefix(1);
    return true;
  }

  /// After a thing that fits the empty text or not; tells the same of both together.
  bool quantifier(bool& empty) {
    const bool counted = rest_.starts_with('{');
    bool none = false;
    if (counted) {
      rest_.remove_prefix(1);
      if (!counts(none)) return false;
    } else if (take('?') || take('*')) {
      none = true;
    } else if (!take('+')) {
      return true;
    }
    if (empty) return fail("what fits the empty text is repeated");
    empty = none;
    return true;
  }

  /// The matcher copies its states for each repetition, so {n} multiplies memory: the product of all is bounded.
  bool counts(bool& none) {
    long least = 0;
    if (!number(least)) return false;
    long most = least;
    bool bounded = true;
    if (take(',')) {
      bounded = !rest_.starts_with('}');
      if (bounded && !number(most)) return false;
    }
    if (!take('}')) return fail("a { is not closed");
    if (bounded && (most < least || most == 0)) return fail("a {} allows no number of repetitions");
    repeats_ *= std::max({least, most, 1L});
    if (repeats_ > kMaxRepeats) return tooLarge();
    none = least == 0;
    return true;
  }

  bool number(long& value) {
    const std::size_t digits = std::min(rest_.find_first_not_of("0123456789"), rest_.size());
    if (digits == 0) return fail("a { has no number");
    value = 0;
    for (char digit : rest_.substr(0, digits)) {
      value = value * 10 + (digit - '0');
      if (value > kMaxRepeats) return tooLarge();
    }
    rest_.remove_prefix(digits);
    return true;
  }

  bool tooLarge() {
    why_ = kTooLarge;
    return false;
  }

  std::string_view rest_;
  std::string why_;
  long repeats_ = 1;
};

}  // namespace

std::string whyPatternUnusable(std::string_view pattern) {
  return pattern.size() > kMaxPattern ? kTooLarge : PatternReader(pattern).read();
}

}  // namespace computesdk::registry
