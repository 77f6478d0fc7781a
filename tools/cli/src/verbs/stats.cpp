#include <rapidjson/document.h>

#include "core/failure.hpp"
#include "core/interrupt.hpp"
#include "core/session.hpp"
#include "core/terminal.hpp"
#include "verbs/verbs.hpp"

namespace computesdk::cli {
namespace {

std::int64_t number(const rapidjson::Document& document, const char* key) {
  const auto found = document.FindMember(key);
  return found != document.MemberEnd() && found->value.IsInt64() ? found->value.GetInt64() : -1;
}

std::string line(std::string_view name, const std::string& used, const std::string& of) {
  std::string text(name);
  text.resize(11, ' ');
  return text + used + (of.empty() ? "" : " of " + of) + "\n";
}

std::string size(std::int64_t bytes) { return bytes < 0 ? "" : formatSize(bytes); }
std::string count(std::int64_t value) { return value < 0 ? "" : std::to_string(value); }

/// The lines for what is known; as it came when nothing is.
std::string readable(const std::string& json, const SandboxInfo& info) {
  rapidjson::Document document;
  document.Parse<rapidjson::kParseIterativeFlag>(json.data(), json.size());
  if (document.HasParseError() || !document.IsObject() || number(document, "memory_bytes") < 0) return json + "\n";
  std::string out =
      line("memory", size(number(document, "memory_bytes")), info.memoryBytes > 0 ? size(info.memoryBytes) : "");
  out += line("disk", size(number(document, "disk_used_bytes")), size(number(document, "disk_total_bytes")));
  out += line("files", count(number(document, "files_used")), count(number(document, "files_total")));
  out += line("processes", count(number(document, "processes")), info.processLimit > 0 ? count(info.processLimit) : "");
  out += line("cpu time", formatDuration(Milliseconds(number(document, "cpu_us") / 1000)), "");
  return out;
}

}  // namespace

int statsVerb(std::span<const std::string> words) {
  CommonFlags common;
  std::string word;
  Arguments arguments(
      {"stats",
       "SB [options]",
       "What a sandbox uses now, beside its limits. CPU time is that of commands that have ended.",
       {"computesdk stats ci/build", "computesdk stats SB --json | jq .memory_bytes", "watch computesdk stats SB"}});
  addCommonFlags(arguments, common);
  arguments.positional("SB", word);
  if (auto code = parseWords(arguments, words)) return *code;
  catchSignals();
  auto session = Session::open(common);
  if (!session) return fail(session.error(), common.json);
  auto sandbox = session->find(word);
  if (!sandbox) return fail(sandbox.error(), common.json);
  auto stats = sandbox->call(nothrow, "stats", "", stopToken());
  if (!stats) return fail(stats.error(), common.json);
  print(common.json ? *stats + "\n" : readable(*stats, sandbox->lastInfo()));
  return 0;
}

}  // namespace computesdk::cli
