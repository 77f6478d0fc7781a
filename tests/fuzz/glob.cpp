// Globs: never slow, and the same as a plain definition by recursion where that is affordable.
#include <files/glob.hpp>
#include <string_view>

#include "target.hpp"

namespace computesdk::fuzz {
namespace {

// `*`, `**`, `?` and literal bytes, as one would define them.
bool defined(std::string_view pattern, std::string_view text) {
  if (pattern.empty()) return text.empty();
  if (pattern.front() == '*') {
    const bool across = pattern.starts_with("**");
    const std::string_view rest = pattern.substr(across ? 2 : 1);
    if (defined(rest, text)) return true;
    return !text.empty() && (across || text.front() != '/') && defined(pattern, text.substr(1));
  }
  if (text.empty()) return false;
  const bool one = pattern.front() == '?' ? text.front() != '/' : pattern.front() == text.front();
  return one && defined(pattern.substr(1), text.substr(1));
}

bool isPlain(std::string_view pattern) {
  if (pattern.size() > 8 || pattern.find("***") != std::string_view::npos) return false;
  if (pattern.ends_with('/') || pattern.starts_with("./")) return false;
  // "**" beside a slash stands for whole names.
  if (pattern.find("**/") != std::string_view::npos || pattern.find("/**") != std::string_view::npos) return false;
  return pattern.find_first_not_of("abc/.*?") == std::string_view::npos;
}

}  // namespace

std::vector<std::string> seeds() {
  const auto pair = [](std::string_view pattern, std::string_view text) {
    return std::string(pattern) + '\n' + std::string(text);
  };
  return {pair("**/*.{js,ts}", "a/b/c.ts"), pair("a*b?c", "aabbc"),    pair("a**c", "ab/bc"),
          pair("*a*a*b", "aaaaac"),         pair("[!a-c\\]x]*", "dx"), pair("dist/**", "dist/"),
          pair("{a,{b,c}d}e", "cde")};
}

}  // namespace computesdk::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace computesdk::fuzz;
  using computesdk::sandboxd::Glob;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::size_t line = input.find('\n');
  const std::string_view pattern = input.substr(0, line);
  const std::string_view text = line == std::string_view::npos ? "" : input.substr(line + 1).substr(0, 300);
  const auto glob = Glob::parse(pattern);
  if (!glob) return 0;
  const bool matches = glob->matches(text);
  if (isPlain(pattern) && text.size() <= 16 && text.find_first_not_of("abc/.") == std::string_view::npos) {
    require(matches == defined(pattern, text), "the fast way and the plain way agree");
  }
  std::string bad;
  const auto set = computesdk::sandboxd::GlobSet::parse({std::string(pattern)}, bad);
  require(set.has_value(), "what is a glob can be in a set");
  require(!matches || set->matches(text), "a set matches what its glob matches");
  return 0;
}
