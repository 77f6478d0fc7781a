#include <chrono>

#include "core/failure.hpp"
#include "core/interrupt.hpp"
#include "core/json.hpp"
#include "core/session.hpp"
#include "core/table.hpp"
#include "core/terminal.hpp"
#include "verbs/verbs.hpp"

// snapshot create | list | rm: what a sandbox has on its disk, kept for others to start from.
namespace computesdk::cli {
namespace {

void writeSnapshot(JsonWriter& json, const SnapshotInfo& snapshot) {
  json.beginObject();
  json.field("id", snapshot.id).optionalField("name", snapshot.name).optionalField("sandbox_id", snapshot.sandboxId);
  json.field("created_at", snapshot.createdAt);
  snapshot.sizeBytes >= 0 ? json.field("size", snapshot.sizeBytes) : json.key("size").null();
  json.field("metadata", snapshot.metadata);
  json.endObject();
}

/// The provider whose snapshots are meant: the one that was named, else the one that the environment chooses.
Result<ProviderHandle> snapshotProvider(Session& session, const CommonFlags& common) {
  if (!common.provider.empty()) return session.compute().provider(common.provider);
  auto report = session.compute().detect(nothrow);
  if (!report) return std::move(report).error();
  if (report->error) return *report->error;
  return session.compute().provider(report->selected.value_or("local"));
}

}  // namespace

int snapshotCreateVerb(std::span<const std::string> words) {
  CommonFlags common;
  SnapshotOptions options;
  std::string word;
  Arguments arguments({"snapshot create",
                       "SB [options]",
                       "Keep what a sandbox has on its disk. Prints the snapshot's id.",
                       {"computesdk snapshot create ci/build", "computesdk snapshot create SB --name ready",
                        "computesdk run --snapshot $(computesdk snapshot create SB) -- make test"}});
  arguments.option("--name", "NAME", takeWord(options.name), "Kept with the snapshot.");
  arguments.repeated("--metadata", "K=V", takeKeyValues(options.metadata), "Kept with the snapshot.");
  addCommonFlags(arguments, common);
  arguments.positional("SB", word);
  if (auto code = parseWords(arguments, words)) return *code;
  catchSignals();
  auto session = Session::open(common);
  if (!session) return fail(session.error(), common.json);
  auto sandbox = session->find(word);
  if (!sandbox) return fail(sandbox.error(), common.json);
  options.stop = stopToken();
  auto snapshot = sandbox->snapshot(nothrow, options);
  if (!snapshot) return fail(snapshot.error(), common.json);
  if (common.json) {
    JsonWriter json;
    writeSnapshot(json, *snapshot);
    print(json.str() + "\n");
  } else {
    print(printable(snapshot->id) + "\n");
  }
  return 0;
}

int snapshotListVerb(std::span<const std::string> words) {
  CommonFlags common;
  std::string sandbox;
  Arguments arguments({"snapshot list",
                       "[options]",
                       "Snapshots that a provider keeps.",
                       {"computesdk snapshot list", "computesdk snapshot list --of SB",
                        "computesdk snapshot list --provider local --json"}});
  arguments.option("--of", "SB", takeWord(sandbox), "Only those of this sandbox, by its id.");
  addCommonFlags(arguments, common);
  if (auto code = parseWords(arguments, words)) return *code;
  catchSignals();
  auto session = Session::open(common);
  if (!session) return fail(session.error(), common.json);
  auto provider = snapshotProvider(*session, common);
  if (!provider) return fail(provider.error(), common.json);
  auto all = provider->snapshots(nothrow, sandbox, stopToken());
  if (!all) return fail(all.error(), common.json);
  if (common.json) {
    JsonWriter json;
    json.beginArray();
    for (const SnapshotInfo& snapshot : *all) writeSnapshot(json, snapshot);
    print(json.endArray().str() + "\n");
    return 0;
  }
  if (common.quiet) {
    std::string ids;
    for (const SnapshotInfo& snapshot : *all) ids += printable(snapshot.id) + "\n";
    print(ids);
    return 0;
  }
  auto now = std::chrono::time_point_cast<std::chrono::milliseconds>(std::chrono::system_clock::now());
  Table table({"ID", "NAME", "SANDBOX", "AGE", "SIZE"});
  for (const SnapshotInfo& snapshot : *all) {
    table.add({snapshot.id, snapshot.name, snapshot.sandboxId,
               snapshot.createdAt ? formatDuration(now - *snapshot.createdAt) : "",
               snapshot.sizeBytes >= 0 ? formatSize(snapshot.sizeBytes) : ""});
  }
  print(table.str());
  return 0;
}

int snapshotRmVerb(std::span<const std::string> words) {
  CommonFlags common;
  std::vector<std::string> ids;
  Arguments arguments({"snapshot rm",
                       "ID… [options]",
                       "Remove snapshots. Prints what was removed.",
                       {"computesdk snapshot rm ID", "computesdk snapshot rm ID1 ID2",
                        "computesdk snapshot rm $(computesdk snapshot list -q)"}});
  addCommonFlags(arguments, common, true, false);
  arguments.positionals("ID", ids);
  if (auto code = parseWords(arguments, words)) return *code;
  catchSignals();
  auto session = Session::open(common);
  if (!session) return fail(session.error(), false);
  auto provider = snapshotProvider(*session, common);
  if (!provider) return fail(provider.error(), false);
  int code = 0;
  for (const std::string& id : ids) {
    auto removed = provider->removeSnapshot(nothrow, id, stopToken());
    if (removed) {
      print(printable(id) + "\n");
    } else if (int failed = fail(removed.error(), false); code == 0) {
      code = failed;
    }
    if (interrupted() != 0) return 128 + interrupted();
  }
  return code;
}

}  // namespace computesdk::cli
