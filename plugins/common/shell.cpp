#include "common/shell.hpp"

#include <computesdk/provider/error.hpp>
#include <computesdk/provider/views.hpp>

#include <algorithm>

namespace computesdk::vendor {

using plugin::view;

std::string shellQuote(std::string_view word) {
  std::string out = "'";
  for (const char c : word) {
    if (c == '\'') {
      out += "'\"'\"'";
    } else {
      out += c;
    }
  }
  return out += '\'';
}

bool isVariableName(std::string_view name) noexcept {
  const auto isLetter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  return !name.empty() && isLetter(name.front()) &&
         std::all_of(name.begin(), name.end(), [&](char c) { return isLetter(c) || (c >= '0' && c <= '9'); });
}

std::string shellLine(const csdk_exec_args& args, std::string_view cwd) {
  if (args.cwd.size != 0) cwd = view(args.cwd);
  std::string line;
  if (!cwd.empty()) line += "cd -- " + shellQuote(cwd) + " && ";
  for (const csdk_pair& pair : view(args.env)) {
    if (!isVariableName(view(pair.key))) {
      throw plugin::Error(CSDK_INVALID_ARGUMENT,
                          "'" + std::string(view(pair.key)) + "' is no name for an environment variable");
    }
    line += "export " + std::string(view(pair.key)) + "=" + shellQuote(view(pair.value)) + " && ";
  }
  if (args.argv.count == 0) {
    // Braces hold a command of several lines together, so that none of it runs where the directory is missing; the
    // colon is there for a command that is only a remark.
    return line.empty() ? std::string(view(args.command)) : line + "{ :; " + std::string(view(args.command)) + "\n}";
  }
  // Not every shell takes "--" here, and only a name that looks like an option needs it.
  line += view(args.argv).front().size != 0 && view(args.argv).front().data[0] == '-' ? "exec --" : "exec";
  for (const csdk_str& word : view(args.argv)) line += " " + shellQuote(view(word));
  return line;
}

}  // namespace computesdk::vendor
