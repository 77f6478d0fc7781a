#include "core/failure.hpp"
#include "core/interrupt.hpp"
#include "core/json.hpp"
#include "core/sandbox_flags.hpp"
#include "core/terminal.hpp"
#include "verbs/verbs.hpp"

namespace computesdk::cli {

int createVerb(std::span<const std::string> words) {
  CommonFlags common;
  SandboxFlags flags;
  Arguments arguments({"create",
                       "[options]",
                       "Make a sandbox that stays. The last line on stdout is its id.",
                       {"computesdk create --ttl 30m", "computesdk create --name ci/build --net full",
                        "computesdk create --provider local --memory 1G -p 3000"}});
  addSandboxFlags(arguments, flags, true, false);
  addCommonFlags(arguments, common);
  if (auto code = parseWords(arguments, words)) return *code;
  catchSignals();
  auto session = Session::open(common);
  if (!session) return fail(session.error(), common.json);
  auto options = createOptions(flags, common, session->config());
  if (!options) return fail(options.error(), common.json);
  options->keep = true;
  auto sandbox = createSandbox(*session, std::move(*options), false);
  if (!sandbox) return fail(sandbox.error(), common.json);
  if (common.json) {
    JsonWriter json;
    json.beginObject();
    writeSandbox(json, sandbox->lastInfo());
    json.endObject();
    print(json.str() + "\n");
  } else {
    print(sandbox->sandboxId() + "\n");
  }
  return 0;
}

}  // namespace computesdk::cli
