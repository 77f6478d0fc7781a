#include <algorithm>

#include "core/error_pages.hpp"
#include "core/failure.hpp"
#include "core/terminal.hpp"
#include "verbs/verbs.hpp"

namespace computesdk::cli {
namespace {

int showCode(ErrorCode code) {
  std::string out = std::string(errorPage(code));
  out += "\nExit code " + std::to_string(exitCode(code)) + " (125 from run, exec, code, shell and attach) · HTTP " +
         std::to_string(httpStatus(code)) + " · on the wire \"" + std::string(wireName(code)) + "\"\n";
  print(out);
  return 0;
}

}  // namespace

std::string groupHelp(std::string_view group) {
  std::string out;
  for (const Verb& verb : verbs()) {
    if (!verb.name.starts_with(std::string(group) + " ")) continue;
    out += "  computesdk " + std::string(verb.name) + " " + std::string(verb.usage) + "\n      " +
           std::string(verb.summary) + "\n";
  }
  return out.empty() ? out : "Verbs:\n" + out;
}

int helpVerb(std::span<const std::string> words) {
  if (words.empty()) {
    print(overview());
    return 0;
  }
  if (auto code = codeFromName(words.front()); code && words.size() == 1) return showCode(*code);
  std::string name;
  for (const std::string& word : words) {
    if (!word.starts_with('-')) name += (name.empty() ? "" : " ") + word;
  }
  if (name.empty()) return helpVerb({});
  const auto* verb = std::ranges::find_if(verbs(), [&](const Verb& v) { return v.name == name; }).base();
  if (verb != verbs().data() + verbs().size()) {
    if (verb->run == helpVerb) return helpVerb({});
    std::vector<std::string> ask = {"--help"};
    return verb->run(ask);
  }
  if (std::string group = groupHelp(name); !group.empty()) {
    print(group);
    return 0;
  }
  std::vector<std::string_view> known = {"fs", "provider", "snapshot"};
  for (const Verb& v : verbs()) known.push_back(v.name);
  for (ErrorCode code : allErrorCodes()) known.push_back(codeName(code));
  auto near = nearest(name, known);
  return fail(usageFailure("cannot explain \"" + printable(name) + "\"", "it is neither a verb nor an error code",
                           near ? "did you mean computesdk help " + std::string(*near) + "?" : "computesdk help"),
              false);
}

}  // namespace computesdk::cli
