#include "core/failure.hpp"
#include "core/interrupt.hpp"
#include "core/json.hpp"
#include "core/sandbox_flags.hpp"
#include "core/terminal.hpp"
#include "verbs/verbs.hpp"

namespace computesdk::cli {

int findVerb(std::span<const std::string> words) {
  CommonFlags common;
  SandboxFlags flags;
  std::string name;
  Arguments arguments(
      {"find",
       "NS/NAME [options]",
       "The id of the sandbox of that name; exit 1 and no output if there is none. Takes the options of "
       "ensure, so that one line serves both; nothing is made.",
       {"computesdk find ci/build", "computesdk find build --json",
        "computesdk find ci/build >/dev/null || echo none"}});
  addSandboxFlags(arguments, flags, false, false);
  addCommonFlags(arguments, common);
  arguments.positional("NS/NAME", name);
  if (auto code = parseWords(arguments, words)) return *code;
  catchSignals();
  auto session = Session::open(common);
  if (!session) return failPredicate(session.error(), common.json);
  auto parsed = parseSandboxName(name);
  if (!parsed) {
    ErrorInfo error = std::move(parsed).error();
    error.what = "cannot use the name";
    return failPredicate(error, common.json);
  }
  auto found = session->sandboxes().find(
      nothrow,
      {.name = parsed->name, .namespace_ = parsed->namespace_, .provider = common.provider, .stop = stopToken()});
  if (!found) return failPredicate(found.error(), common.json);
  if (!*found) {
    if (common.json) print("null\n");
    return 1;
  }
  if (common.json) {
    JsonWriter json;
    json.beginObject();
    writeSandbox(json, (*found)->lastInfo());
    json.endObject();
    print(json.str() + "\n");
  } else {
    print((*found)->sandboxId() + "\n");
  }
  return 0;
}

}  // namespace computesdk::cli
