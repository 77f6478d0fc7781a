#include "files/glob.hpp"

#include <algorithm>
#include <utility>

#include "files/utf8.hpp"

namespace computesdk::sandboxd {
namespace {

constexpr std::size_t kMaxPattern = 1024;
constexpr std::size_t kMaxAlternatives = 64;
constexpr std::size_t kMaxPatterns = 256;
// Above every character: bytes that are no UTF-8 stay apart from all characters and from each other.
constexpr char32_t kRawByte = 0x200000;

std::u32string charactersOf(std::string_view text) {
  std::u32string characters;
  characters.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const Utf8Step step = stepUtf8(text, at);
    characters += step.valid ? step.character : kRawByte + step.character;
    at += step.length;
  }
  return characters;
}

void appendUtf8(std::string& text, char32_t c) {
  if (c >= kRawByte) {
    text += static_cast<char>(c - kRawByte);
  } else if (c < 0x80) {
    text += static_cast<char>(c);
  } else if (c < 0x800) {
    text += {static_cast<char>(0xC0 | c >> 6), static_cast<char>(0x80 | (c & 0x3F))};
  } else if (c < 0x10000) {
    text += {static_cast<char>(0xE0 | c >> 12), static_cast<char>(0x80 | (c >> 6 & 0x3F)),
             static_cast<char>(0x80 | (c & 0x3F))};
  } else {
    text += {static_cast<char>(0xF0 | c >> 18), static_cast<char>(0x80 | (c >> 12 & 0x3F)),
             static_cast<char>(0x80 | (c >> 6 & 0x3F)), static_cast<char>(0x80 | (c & 0x3F))};
  }
}

// Where the class that opens at `at` closes, or npos: then the bracket stands for itself.
std::size_t classEnd(const std::u32string& pattern, std::size_t at) {
  std::size_t i = at + 1;
  if (i < pattern.size() && (pattern[i] == U'!' || pattern[i] == U'^')) ++i;
  if (i < pattern.size() && pattern[i] == U']') ++i;  // first in the class, it stands for itself
  while (i < pattern.size() && pattern[i] != U']') i += pattern[i] == U'\\' ? 2 : 1;
  return i < pattern.size() ? i : std::u32string::npos;
}

// The end of the group that opens at `open`, with the commas at its own level; npos when it never closes.
std::size_t groupEnd(const std::u32string& pattern, std::size_t open, std::vector<std::size_t>& commas) {
  std::size_t depth = 0;
  for (std::size_t i = open; i < pattern.size(); ++i) {
    if (pattern[i] == U'\\') {
      ++i;
    } else if (pattern[i] == U'[') {
      const std::size_t end = classEnd(pattern, i);
      if (end != std::u32string::npos) i = end;
    } else if (pattern[i] == U'{') {
      ++depth;
    } else if (pattern[i] == U',' && depth == 1) {
      commas.push_back(i);
    } else if (pattern[i] == U'}' && --depth == 0) {
      return i;
    }
  }
  return std::u32string::npos;
}

// Where the first group with a comma opens, from `from` on; npos when there is none.
std::size_t firstGroup(const std::u32string& pattern, std::size_t from, std::size_t& end,
                       std::vector<std::size_t>& commas) {
  for (std::size_t i = from; i < pattern.size(); ++i) {
    if (pattern[i] == U'\\') {
      ++i;
    } else if (pattern[i] == U'[') {
      const std::size_t close = classEnd(pattern, i);
      if (close != std::u32string::npos) i = close;
    } else if (pattern[i] == U'{') {
      commas.clear();
      end = groupEnd(pattern, i, commas);
      if (end == std::u32string::npos) return end;  // nothing after it closes either
      if (!commas.empty()) return i;
    }
  }
  return std::u32string::npos;
}

// All that the braces stand for. False when that is too much.
bool expand(std::u32string pattern, std::vector<std::u32string>& into) {
  std::vector<std::u32string> open = {std::move(pattern)};
  std::vector<std::size_t> commas;
  std::size_t characters = 0;
  while (!open.empty()) {
    if (open.size() + into.size() > kMaxAlternatives) return false;
    const std::u32string one = std::move(open.back());
    open.pop_back();
    std::size_t end = 0;
    const std::size_t begin = firstGroup(one, 0, end, commas);
    if (begin == std::u32string::npos) {
      into.push_back(one);
      continue;
    }
    commas.push_back(end);
    for (std::size_t i = 0, from = begin + 1; i < commas.size(); from = commas[i++] + 1) {
      open.push_back(one.substr(0, begin) + one.substr(from, commas[i] - from) + one.substr(end + 1));
      characters += open.back().size();
      if (open.size() > kMaxAlternatives || characters > kMaxAlternatives * kMaxPattern) return false;
    }
  }
  return true;
}

}  // namespace

std::optional<Glob> Glob::parse(std::string_view pattern) {
  if (pattern.size() > kMaxPattern) return {};
  while (pattern.starts_with("./")) pattern.remove_prefix(2);
  while (pattern.size() > 1 && pattern.back() == '/') pattern.remove_suffix(1);
  if (pattern.empty()) return {};
  std::vector<std::u32string> alternatives;
  if (!expand(charactersOf(pattern), alternatives)) return {};
  Glob glob;
  for (const std::u32string& alternative : alternatives) glob.compile(alternative);
  return glob;
}

void Glob::compile(const std::u32string& pattern) {
  Alternative into;
  std::vector<Step>& steps = into.steps;
  for (std::size_t at = 0; at < pattern.size();) {
    const char32_t c = pattern[at];
    const bool nameStart = at == 0 || pattern[at - 1] == U'/';
    if (c == U'*' && at + 1 < pattern.size() && pattern[at + 1] == U'*') {
      std::size_t next = at;
      while (next < pattern.size() && pattern[next] == U'*') ++next;
      if (nameStart && next < pattern.size() && pattern[next] == U'/') {  // "**/": any number of whole names
        steps.push_back({Kind::kAtName});
        steps.push_back({Kind::kInName});
        ++next;
      } else {
        steps.push_back({Kind::kAcross});
      }
      into.literal = false;
      at = next;
    } else if (c == U'*') {
      steps.push_back({Kind::kStar});
      into.literal = false;
      ++at;
    } else if (c == U'?') {
      steps.push_back({Kind::kAny});
      into.literal = false;
      ++at;
    } else if (c == U'[' && classEnd(pattern, at) != std::u32string::npos) {
      at = compileClass(pattern, at, into);
      into.literal = false;
    } else {
      const bool escaped = c == U'\\' && at + 1 < pattern.size();
      steps.push_back({Kind::kOne, false, escaped ? pattern[at + 1] : c});
      appendUtf8(into.text, steps.back().character);
      at += escaped ? 2 : 1;
    }
  }
  // "x/**" is x as well.
  const std::size_t count = steps.size();
  if (count >= 3 && steps[count - 1].kind == Kind::kAcross && steps[count - 2].kind == Kind::kOne &&
      steps[count - 2].character == U'/') {
    Alternative alone;
    alone.literal = false;
    alone.steps.assign(steps.begin(), steps.end() - 2);
    alternatives_.push_back(std::move(alone));
  }
  alternatives_.push_back(std::move(into));
}

std::size_t Glob::compileClass(const std::u32string& pattern, std::size_t at, Alternative& into) {
  const std::size_t end = classEnd(pattern, at);
  std::size_t i = at + 1;
  Step step{Kind::kClass};
  step.ranges = static_cast<std::uint32_t>(ranges_.size());
  if (pattern[i] == U'!' || pattern[i] == U'^') {
    step.inverted = true;
    ++i;
  }
  while (i < end) {
    if (pattern[i] == U'\\' && i + 1 < end) ++i;
    const char32_t first = pattern[i++];
    char32_t last = first;
    if (i + 1 < end && pattern[i] == U'-') {
      i += pattern[i + 1] == U'\\' && i + 2 < end ? 2 : 1;
      last = pattern[i++];
    }
    ranges_.push_back({first, last});
  }
  step.rangeCount = static_cast<std::uint32_t>(ranges_.size()) - step.ranges;
  into.steps.push_back(step);
  return end + 1;
}

bool Glob::accepts(const Step& step, char32_t character) const {
  if (step.kind == Kind::kOne) return step.character == character;
  if (character == U'/') return false;
  if (step.kind == Kind::kAny) return true;
  const auto begin = ranges_.begin() + step.ranges;
  const bool inside = std::any_of(begin, begin + step.rangeCount,
                                  [&](const Range& r) { return r.first <= character && character <= r.last; });
  return inside != step.inverted;
}

// All the places where the pattern could stand are carried along at once, so that none is visited twice for a
// character.
bool Glob::run(const Alternative& alternative, const std::u32string& text) const {
  const std::vector<Step>& steps = alternative.steps;
  const std::size_t count = steps.size();
  std::vector<char> now(count + 1, 0), next(count + 1, 0);
  // What may match nothing is passed over: from left to right, so once.
  const auto settle = [&](std::vector<char>& at) {
    for (std::size_t i = 0; i < count; ++i) {
      if (at[i] == 0) continue;
      if (steps[i].kind == Kind::kStar || steps[i].kind == Kind::kAcross) at[i + 1] = 1;
      if (steps[i].kind == Kind::kAtName) at[i + 2] = 1;
    }
  };
  now[0] = 1;
  settle(now);
  for (const char32_t c : text) {
    std::fill(next.begin(), next.end(), 0);
    bool alive = false;
    for (std::size_t i = 0; i < count; ++i) {
      if (now[i] == 0) continue;
      std::size_t to = count + 1;
      switch (steps[i].kind) {
        case Kind::kStar: to = c == U'/' ? to : i; break;
        case Kind::kAcross: to = i; break;
        case Kind::kAtName: to = c == U'/' ? i : i + 1; break;
        case Kind::kInName: to = c == U'/' ? i - 1 : i; break;
        default: to = accepts(steps[i], c) ? i + 1 : to;
      }
      if (to > count) continue;
      next[to] = 1;
      alive = true;
    }
    if (!alive) return false;
    settle(next);
    now.swap(next);
  }
  return now[count] != 0;
}

bool Glob::matches(std::string_view text) const {
  std::u32string characters;
  for (const Alternative& alternative : alternatives_) {
    if (alternative.literal) {
      if (alternative.text == text) return true;
      continue;
    }
    if (characters.empty() && !text.empty()) characters = charactersOf(text);
    if (run(alternative, characters)) return true;
  }
  return false;
}

std::optional<GlobSet> GlobSet::parse(const std::vector<std::string>& patterns, std::string& bad) {
  GlobSet set;
  for (const std::string& pattern : patterns) {
    std::optional<Glob> glob = Glob::parse(pattern);
    if (!glob || set.globs_.size() == kMaxPatterns) {
      bad = pattern;
      return {};
    }
    set.globs_.push_back(std::move(*glob));
  }
  return set;
}

bool GlobSet::matches(std::string_view relative) const {
  if (globs_.empty()) return false;
  const auto any = [&](std::string_view text) {
    return std::any_of(globs_.begin(), globs_.end(), [&](const Glob& glob) { return glob.matches(text); });
  };
  if (any(relative)) return true;
  for (std::size_t begin = 0; relative.find('/') != std::string_view::npos && begin <= relative.size();) {
    const std::size_t end = std::min(relative.find('/', begin), relative.size());
    if (end > begin && any(relative.substr(begin, end - begin))) return true;
    begin = end + 1;
  }
  return false;
}

}  // namespace computesdk::sandboxd
