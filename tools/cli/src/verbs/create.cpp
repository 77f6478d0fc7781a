#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "core/failure.hpp"
#include "core/interrupt.hpp"
#include "core/json.hpp"
#include "core/sandbox_flags.hpp"
#include "core/terminal.hpp"
#include "verbs/verbs.hpp"

namespace computesdk::cli {
namespace {

/// Tells the id. A sandbox of which nobody will know is not left behind.
int hand(Sandbox& sandbox, bool asJson) {
  std::string text = sandbox.sandboxId();
  if (asJson) {
    JsonWriter json;
    json.beginObject();
    writeSandbox(json, sandbox.lastInfo());
    json.endObject();
    text = json.str();
  }
  if (interrupted() == 0 && writeAll(STDOUT_FILENO, text + "\n")) return 0;
  int number = errno;
  (void)sandbox.destroy(nothrow);
  if (interrupted() != 0) return 128 + interrupted();
  return number == EPIPE ? 128 + SIGPIPE : fail(stdoutFailure(number), false);
}

}  // namespace

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
  return hand(*sandbox, common.json);
}

}  // namespace computesdk::cli
