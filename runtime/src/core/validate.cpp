#include "core/validate.hpp"

#include "core/errors.hpp"

#include <algorithm>
#include <string>

namespace computesdk::detail {
namespace {

constexpr std::size_t kIdMax = 256;

bool hasNul(std::string_view text) { return text.find('\0') != text.npos; }

Result<void> bad(std::string_view what, std::string why, std::string fix = {}) {
  return invalidArgument(std::string(what), std::move(why), std::move(fix));
}

}  // namespace

Result<void> checkCommand(std::string_view what, const CommandLine& command) {
  if (!command.isArgv()) {
    if (command.command().empty()) return bad(what, "the command is empty");
    if (hasNul(command.command())) return bad(what, "the command holds a NUL byte");
    return {};
  }
  if (command.argv().empty() || command.argv().front().empty()) return bad(what, "the program's name is empty");
  if (std::ranges::any_of(command.argv(), hasNul)) return bad(what, "an argument holds a NUL byte");
  return {};
}

Result<void> checkEnvironment(std::string_view what, const StringMap& env) {
  for (const auto& [name, value] : env) {
    if (name.empty() || name.find('=') != name.npos || hasNul(name)) {
      return bad(what, "a variable's name is empty, or holds '=' or a NUL byte");
    }
    if (hasNul(value)) return bad(what, "the value of " + name + " holds a NUL byte");
  }
  return {};
}

Result<void> checkDirectory(std::string_view what, std::string_view directory) {
  if (directory.empty()) return {};
  if (directory.front() != '/') return bad(what, "the working directory must be absolute", "begin it with /");
  if (hasNul(directory)) return bad(what, "the working directory holds a NUL byte");
  return {};
}

Result<void> checkPath(std::string_view what, std::string_view path) {
  if (path.empty()) return bad(what, "the path is empty");
  if (hasNul(path)) return bad(what, "the path holds a NUL byte");
  return {};
}

Result<void> checkId(std::string_view what, std::string_view id) {
  if (id.empty()) return bad(what, "the id is empty");
  if (id.size() > kIdMax) return bad(what, "the id is longer than 256 bytes");
  return {};
}

Result<void> checkName(std::string_view what, std::string_view nameSpace, std::string_view name, bool mayBeEmpty) {
  if (name.empty()) {
    if (mayBeEmpty) return {};
    return bad(what, "the name is empty", "give a name");
  }
  for (std::string_view text : {nameSpace, name}) {
    if (text.size() > kIdMax) return bad(what, "a name or namespace is longer than 256 bytes");
    if (std::ranges::any_of(text, [](unsigned char c) { return c < ' ' || c == 127; })) {
      return bad(what, "a name or namespace holds a control character");
    }
  }
  return {};
}

}  // namespace computesdk::detail
