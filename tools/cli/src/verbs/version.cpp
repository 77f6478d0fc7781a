#include "core/json.hpp"
#include "core/session.hpp"
#include "core/terminal.hpp"
#include "verbs/verbs.hpp"

namespace computesdk::cli {

int versionVerb(std::span<const std::string> words) {
  bool json = false;
  Arguments arguments({"version",
                       "[options]",
                       "The version.",
                       {"computesdk version", "computesdk version --json", "computesdk --version"}});
  arguments.flag("--json", json, "Print JSON.");
  if (auto code = parseWords(arguments, words)) return *code;
  if (json) {
    JsonWriter writer;
    writer.beginObject().field("version", COMPUTESDK_VERSION).endObject();
    print(writer.str() + "\n");
  } else {
    print("computesdk " COMPUTESDK_VERSION "\n");
  }
  return 0;
}

}  // namespace computesdk::cli
