#include "core/failure.hpp"
#include "core/interrupt.hpp"
#include "core/json.hpp"
#include "core/sandbox_flags.hpp"
#include "core/terminal.hpp"
#include "verbs/verbs.hpp"

namespace computesdk::cli {

int ensureVerb(std::span<const std::string> words) {
  CommonFlags common;
  SandboxFlags flags;
  std::string name;
  Arguments arguments({"ensure",
                       "NS/NAME [options]",
                       "The sandbox of that name; made with these options if there is none. The last line on stdout is "
                       "its id.",
                       {"computesdk ensure ci/build", "computesdk ensure build --ttl 2h --net none",
                        "computesdk exec $(computesdk ensure ci/build) -- make"}});
  addSandboxFlags(arguments, flags, false, false);
  addCommonFlags(arguments, common);
  arguments.positional("NS/NAME", name);
  if (auto code = parseWords(arguments, words)) return *code;
  catchSignals();
  auto session = Session::open(common);
  if (!session) return fail(session.error(), common.json);
  auto parsed = parseSandboxName(name);
  if (!parsed) {
    ErrorInfo error = std::move(parsed).error();
    error.what = "cannot use the name";
    return fail(error, common.json);
  }
  auto options = createOptions(flags, common, session->config());
  if (!options) return fail(options.error(), common.json);
  options->name = parsed->name;
  options->namespace_ = parsed->namespace_;
  options->keep = true;
  auto sandbox = createSandbox(*session, std::move(*options), true);
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
