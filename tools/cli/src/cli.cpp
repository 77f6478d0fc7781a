#include "cli.hpp"

#include <algorithm>
#include <exception>
#include <new>

#include "core/failure.hpp"
#include "core/interrupt.hpp"
#include "core/terminal.hpp"
#include "verbs/verbs.hpp"

namespace computesdk::cli {
namespace {

/// Whether a failure of ours in this verb is 125, so that it cannot be taken for the command's exit code.
bool passesExitCode(std::string_view verb) {
  return verb == "run" || verb == "exec" || verb == "code" || verb == "shell" || verb == "attach";
}

int unknownVerb(const std::string& word) {
  std::vector<std::string_view> known;
  for (const Verb& verb : verbs()) known.push_back(verb.name);
  auto near = nearest(word, known);
  bool option = word.starts_with('-');
  return fail(usageFailure("cannot run computesdk " + printable(word),
                           option ? "options come after the verb" : "there is no verb of that name",
                           near ? "did you mean computesdk " + std::string(*near) + "?" : "computesdk help"),
              false);
}

int dispatch(std::span<const std::string> words) {
  if (words.empty()) {
    printErr(overview());
    return 2;
  }
  const std::string& first = words[0];
  if (first == "--help" || first == "-h") return helpVerb({});
  if (first == "--version" || first == "-V") return versionVerb({});
  for (const Verb& verb : verbs()) {
    if (verb.name == first) return verb.run(words.subspan(1));
  }
  bool group = std::ranges::any_of(verbs(), [&](const Verb& v) { return v.name.starts_with(first + " "); });
  if (!group) return unknownVerb(first);
  if (words.size() < 2) {
    printErr(groupHelp(first));
    return 2;
  }
  if (words[1] == "--help" || words[1] == "-h") {
    print(groupHelp(first));
    return 0;
  }
  std::string both = first + " " + words[1];
  for (const Verb& verb : verbs()) {
    if (verb.name == both) return verb.run(words.subspan(2));
  }
  return unknownVerb(both);
}

int unexpected(std::string_view verb, const char* why) noexcept {
  ErrorInfo error;
  error.code = ErrorCode::internal;
  error.what = "computesdk failed";
  error.why = why;
  error.fix = "please report this with the command line that led to it";
  int code = fail(error, false);
  return passesExitCode(verb) ? kOurFailure : code;
}

}  // namespace

int runProgram(std::span<const std::string> words) noexcept {
  std::string_view verb = words.empty() ? std::string_view{} : std::string_view(words[0]);
  try {
    setUpTerminal();
    catchBrokenPipe();
    chooseStyle(ColorMode::automatic, false);
    int code = dispatch(words);
    return interrupted() != 0 && !passesExitCode(verb) ? 128 + interrupted() : code;
  } catch (const Error& e) {
    int code = fail(e.info(), false);
    return passesExitCode(verb) ? kOurFailure : code;
  } catch (const std::bad_alloc&) {
    return unexpected(verb, "out of memory");
  } catch (const std::exception& e) {
    return unexpected(verb, e.what());
  }
}

}  // namespace computesdk::cli
