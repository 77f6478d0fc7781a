#include <algorithm>
#include <chrono>

#include "core/failure.hpp"
#include "core/interrupt.hpp"
#include "core/json.hpp"
#include "core/session.hpp"
#include "core/table.hpp"
#include "core/terminal.hpp"
#include "verbs/verbs.hpp"

namespace computesdk::cli {
namespace {

std::string nameOf(const SandboxInfo& info) {
  if (info.name.empty() || info.namespace_.empty()) return info.name;
  return info.namespace_ + "/" + info.name;
}

std::string expiry(const SandboxInfo& info, SystemTime now) {
  if (info.neverExpires) return "never";
  return info.expiresAt ? formatDuration(*info.expiresAt - now) : std::string{};
}

}  // namespace

int lsVerb(std::span<const std::string> words) {
  CommonFlags common;
  StringMap metadata;
  Arguments arguments(
      {"ls",
       "[options]",
       "List sandboxes.",
       {"computesdk ls", "computesdk ls --provider local --json", "computesdk ls -q --metadata job=42"}});
  arguments.repeated("--metadata", "K=V", takeKeyValues(metadata), "Only those that carry it.");
  addCommonFlags(arguments, common);
  if (auto code = parseWords(arguments, words)) return *code;
  catchSignals();
  auto session = Session::open(common);
  if (!session) return fail(session.error(), common.json);
  auto all =
      session->sandboxes().list(nothrow, {.provider = common.provider, .metadata = metadata, .stop = stopToken()});
  if (!all) return fail(all.error(), common.json);
  if (common.json) {
    JsonWriter json;
    json.beginArray();
    for (const SandboxInfo& info : *all) {
      json.beginObject();
      writeSandbox(json, info);
      json.endObject();
    }
    json.endArray();
    print(json.str() + "\n");
    return 0;
  }
  if (common.quiet) {
    std::string ids;
    for (const SandboxInfo& info : *all) ids += printable(info.id) + "\n";
    print(ids);
    return 0;
  }
  auto now = std::chrono::time_point_cast<std::chrono::milliseconds>(std::chrono::system_clock::now());
  Table table({"NAME", "ID", "PROVIDER", "STATUS", "AGE", "EXPIRES"});
  for (const SandboxInfo& info : *all) {
    table.add({nameOf(info), info.id, info.provider, std::string(toString(info.status)),
               info.createdAt ? formatDuration(now - *info.createdAt) : "", expiry(info, now)});
  }
  print(table.str());
  return 0;
}

}  // namespace computesdk::cli
