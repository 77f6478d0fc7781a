#include "core/failure.hpp"
#include "core/interrupt.hpp"
#include "core/json.hpp"
#include "core/session.hpp"
#include "core/terminal.hpp"
#include "verbs/verbs.hpp"

namespace computesdk::cli {

int extendVerb(std::span<const std::string> words) {
  CommonFlags common;
  std::string word;
  std::string durationText;
  Arguments arguments(
      {"extend",
       "SB DUR [options]",
       "Let a sandbox live at least DUR from now. Prints when it will end.",
       {"computesdk extend ci/build 30m", "computesdk extend SB 2h", "computesdk extend SB 1d --json"}});
  addCommonFlags(arguments, common);
  arguments.positional("SB", word).positional("DUR", durationText);
  if (auto code = parseWords(arguments, words)) return *code;
  auto duration = parseDuration(durationText);
  if (duration && duration->count() == 0) {
    duration = usageFailure("", "there is nothing to extend by", "give a number with a unit: 500ms, 30s, 5m, 2h or 1d");
  }
  if (!duration) {
    ErrorInfo error = std::move(duration).error();
    error.what = "cannot use the duration";
    return fail(error, common.json);
  }
  catchSignals();
  auto session = Session::open(common);
  if (!session) return fail(session.error(), common.json);
  auto sandbox = session->find(word);
  if (!sandbox) return fail(sandbox.error(), common.json);
  auto info = sandbox->extendTimeout(nothrow, *duration, stopToken());
  if (!info) return fail(info.error(), common.json);
  if (common.json) {
    JsonWriter json;
    json.beginObject();
    writeSandbox(json, *info);
    print(json.endObject().str() + "\n");
  } else {
    print((info->neverExpires ? "never" : info->expiresAt ? formatTime(*info->expiresAt) : "unknown") + "\n");
  }
  return 0;
}

}  // namespace computesdk::cli
