#include "core/validate.hpp"

#include "core/errors.hpp"

#include <algorithm>
#include <string>

namespace computesdk::detail {
namespace {

constexpr std::size_t kIdMax = 256;

/// Without overlong forms, surrogates and what is beyond U+10FFFF.
bool isUtf8(std::string_view text) {
  auto byte = [&](std::size_t i) -> unsigned { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0; };
  for (std::size_t i = 0; i < text.size();) {
    const unsigned first = byte(i);
    const std::size_t length = first < 0x80 ? 1 : first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if ((first >= 0x80 && first < 0xc2) || first > 0xf4) return false;
    for (std::size_t k = 1; k < length; ++k) {
      if ((byte(i + k) & 0xc0) != 0x80) return false;
    }
    const unsigned second = byte(i + 1);
    if ((first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f)) return false;
    if ((first == 0xf0 && second < 0x90) || (first == 0xf4 && second > 0x8f)) return false;
    i += length;
  }
  return true;
}

bool hasNul(std::string_view text) { return text.find('\0') != text.npos; }

Result<void> bad(std::string_view what, std::string why, std::string fix = {}) {
  return invalidArgument(std::string(what), std::move(why), std::move(fix));
}

}  // namespace

Result<void> checkCommand(std::string_view what, const CommandLine& command) {
  if (!command.isArgv()) {
    if (command.command().empty()) return bad(what, "the command is empty", "give a command");
    if (hasNul(command.command())) return bad(what, "the command holds a NUL byte", "take the NUL out");
    return {};
  }
  if (command.argv().empty() || command.argv().front().empty())
    return bad(what, "the program's name is empty", "give a program");
  if (std::ranges::any_of(command.argv(), hasNul)) return bad(what, "an argument holds a NUL byte", "take the NUL out");
  return {};
}

Result<void> checkEnvironment(std::string_view what, const StringMap& env) {
  for (const auto& [name, value] : env) {
    if (name.empty() || name.find('=') != name.npos || hasNul(name)) {
      return bad(what, "a variable's name is empty, or holds '=' or a NUL byte", "give it another name");
    }
    if (hasNul(value)) return bad(what, "the value of " + name + " holds a NUL byte", "take the NUL out");
  }
  return {};
}

Result<void> checkDirectory(std::string_view what, std::string_view directory) {
  if (directory.empty()) return {};
  if (directory.front() != '/') return bad(what, "the working directory must be absolute", "begin it with /");
  if (hasNul(directory)) return bad(what, "the working directory holds a NUL byte", "take the NUL out");
  return {};
}

Result<void> checkPath(std::string_view what, std::string_view path) {
  if (path.empty()) return bad(what, "the path is empty", "give a path");
  if (hasNul(path)) return bad(what, "the path holds a NUL byte", "take the NUL out");
  return {};
}

Result<void> checkId(std::string_view what, std::string_view id) {
  if (id.empty()) return bad(what, "the id is empty", "see the ids: computesdk ls");
  if (id.size() > kIdMax) return bad(what, "the id is longer than 256 bytes", "see the ids: computesdk ls");
  return {};
}

Result<void> checkName(std::string_view what, std::string_view nameSpace, std::string_view name, bool mayBeEmpty) {
  if (name.empty()) {
    if (mayBeEmpty) return {};
    return bad(what, "the name is empty", "give a name");
  }
  for (std::string_view text : {nameSpace, name}) {
    if (text.size() > kIdMax) return bad(what, "a name or namespace is longer than 256 bytes", "use a shorter one");
    if (!isUtf8(text)) return bad(what, "a name or namespace is not UTF-8", "use letters, digits and the like");
    if (std::ranges::any_of(text, [](unsigned char c) { return c < ' ' || c == 127; })) {
      return bad(what, "a name or namespace holds a control character", "use letters, digits and the like");
    }
  }
  return {};
}

}  // namespace computesdk::detail
