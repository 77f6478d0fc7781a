#include "core/failure.hpp"
#include "core/interrupt.hpp"
#include "core/json.hpp"
#include "core/session.hpp"
#include "core/terminal.hpp"
#include "verbs/copy.hpp"
#include "verbs/verbs.hpp"

namespace computesdk::cli {

int cpVerb(std::span<const std::string> words) {
  CommonFlags common;
  std::string from;
  std::string to;
  Arguments arguments({"cp",
                       "SRC DST [options]",
                       "Copy a file or a folder into a sandbox or out of it. One of the two is SB:/PATH; a local name "
                       "with a colon is written ./NAME.",
                       {"computesdk cp ./src ci/build:/work/src", "computesdk cp SB:/work/out.tar .",
                        "computesdk cp data.bin SB:/tmp/"}});
  addCommonFlags(arguments, common);
  arguments.positional("SRC", from).positional("DST", to);
  if (auto code = parseWords(arguments, words)) return *code;
  CopySide source = parseCopySide(from);
  CopySide target = parseCopySide(to);
  if (source.sandbox.empty() == target.sandbox.empty()) {
    return fail(usageFailure("cannot run computesdk cp",
                             source.sandbox.empty() ? "neither side is in a sandbox" : "both sides are in a sandbox",
                             "write one side as SB:/PATH"),
                common.json);
  }
  if (source.path.empty() || target.path.empty()) {
    return fail(usageFailure("cannot run computesdk cp", "there is no path after the \":\"", "write it as SB:/PATH"),
                common.json);
  }
  catchSignals();
  auto session = Session::open(common);
  if (!session) return fail(session.error(), common.json);
  auto sandbox = session->find(source.sandbox.empty() ? target.sandbox : source.sandbox);
  if (!sandbox) return fail(sandbox.error(), common.json);
  ProgressLine line;
  Copier copier(sandbox->filesystem(), line);
  auto copied =
      source.sandbox.empty() ? copier.upload(source.path, target.path) : copier.download(source.path, target.path);
  line.clear();
  const CopySide& inside = source.sandbox.empty() ? target : source;
  if (!copied) return fail(withLook(copied.error(), inside.sandbox, inside.path), common.json);
  for (const std::string& skipped : copier.skipped()) warn("not copied: " + printable(skipped));
  if (common.json) {
    JsonWriter json;
    json.beginObject().field("files", copier.count()).field("bytes", copier.bytes());
    json.field("skipped", copier.skipped()).endObject();
    print(json.str() + "\n");
  }
  return copier.skipped().empty() ? 0 : 1;
}

}  // namespace computesdk::cli
