#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "core/failure.hpp"
#include "core/json.hpp"
#include "core/session.hpp"
#include "core/table.hpp"
#include "core/terminal.hpp"
#include "verbs/verbs.hpp"

// provider list | detect | info | search-path | trust: none of them opens a library or a connection.
namespace computesdk::cli {
namespace {

void writeCandidate(JsonWriter& json, const ProviderCandidate& candidate) {
  json.beginObject();
  json.field("provider", candidate.name).field("state", toString(candidate.state)).field("why", candidate.why);
  json.optionalField("version", candidate.version).field("priority", candidate.priority);
  json.field("trusted", candidate.trusted).optionalField("manifest", candidate.manifestPath);
  json.field("matched", candidate.matched).field("missing", candidate.missing);
  json.endObject();
}

std::string join(const std::vector<std::string>& items, std::string_view separator) {
  std::string out;
  for (const std::string& item : items) out += (out.empty() ? "" : std::string(separator)) + item;
  return out;
}

}  // namespace

int providerListVerb(std::span<const std::string> words) {
  CommonFlags common;
  Arguments arguments({"provider list",
                       "[options]",
                       "Providers on this machine, by their manifests.",
                       {"computesdk provider list", "computesdk provider list --json", "computesdk provider detect"}});
  addCommonFlags(arguments, common, false);
  if (auto code = parseWords(arguments, words)) return *code;
  auto session = Session::open(common);
  if (!session) return fail(session.error(), common.json);
  auto report = session->compute().detect(nothrow);
  if (!report) return fail(report.error(), common.json);
  auto infos = session->compute().providers(nothrow);
  if (!infos) return fail(infos.error(), common.json);
  auto infoOf = [&](const ProviderCandidate& candidate) {
    auto found = std::ranges::find_if(*infos, [&](const ProviderInfo& i) { return i.name == candidate.name; });
    return found == infos->end() ? nullptr : &*found;
  };
  JsonWriter json;
  json.beginArray();
  Table table({"PROVIDER", "VERSION", "STATE", "RUNS", "TITLE"});
  for (const ProviderCandidate& candidate : report->candidates) {
    if (candidate.state == ProviderState::shadowed) continue;
    const ProviderInfo* info = infoOf(candidate);
    std::string title = info == nullptr ? std::string{} : info->title;
    std::string_view runs = candidate.trusted ? "in-process" : "isolated";
    table.add({candidate.name, candidate.version, std::string(toString(candidate.state)), std::string(runs), title});
    json.beginObject().field("provider", candidate.name).optionalField("version", candidate.version);
    json.field("state", toString(candidate.state)).field("runs", runs).optionalField("title", title);
    json.optionalField("manifest", candidate.manifestPath).endObject();
  }
  print(common.json ? json.endArray().str() + "\n" : table.str());
  return 0;
}

int providerDetectVerb(std::span<const std::string> words) {
  CommonFlags common;
  Arguments arguments({"provider detect",
                       "[options]",
                       "Which provider is chosen from the environment, and why each other one is not. Exit 0 if one is "
                       "chosen.",
                       {"computesdk provider detect", "E2B_API_KEY=… computesdk provider detect",
                        "computesdk provider detect --json | jq -r .selected"}});
  addCommonFlags(arguments, common, false);
  if (auto code = parseWords(arguments, words)) return *code;
  auto session = Session::open(common);
  if (!session) return fail(session.error(), common.json);
  auto report = session->compute().detect(nothrow);
  if (!report) return fail(report.error(), common.json);
  if (common.json) {
    JsonWriter json;
    json.beginObject().optionalField("selected", report->selected.value_or(""));
    json.key("candidates").beginArray();
    for (const ProviderCandidate& c : report->candidates) writeCandidate(json, c);
    json.endArray().field("warnings", report->warnings).key("error");
    if (report->error) {
      json.beginObject();
      writeError(json, *report->error);
      json.endObject();
    } else {
      json.null();
    }
    print(json.endObject().str() + "\n");
  } else {
    Table table({"PROVIDER", "STATE", "WHY"});
    for (const ProviderCandidate& c : report->candidates) {
      table.add({c.name, std::string(toString(c.state)), c.why});
    }
    print(table.str());  // the warnings were logged
    if (report->error) printErr(styledError(*report->error) + "\n");
  }
  return report->error ? exitCode(report->error->code) : 0;
}

int providerInfoVerb(std::span<const std::string> words) {
  CommonFlags common;
  std::string name;
  Arguments arguments(
      {"provider info",
       "NAME [options]",
       "What a provider needs and can do, by its manifest.",
       {"computesdk provider info local", "computesdk provider info e2b", "computesdk provider info e2b --json"}});
  addCommonFlags(arguments, common, false);
  arguments.positional("NAME", name);
  if (auto code = parseWords(arguments, words)) return *code;
  auto session = Session::open(common);
  if (!session) return fail(session.error(), common.json);
  auto infos = session->compute().providers(nothrow);
  if (!infos) return fail(infos.error(), common.json);
  auto found = std::ranges::find_if(*infos, [&](const ProviderInfo& i) { return i.name == name; });
  if (found == infos->end()) {
    std::vector<std::string_view> names;
    for (const ProviderInfo& info : *infos) names.push_back(info.name);
    auto near = nearest(name, names);
    ErrorInfo error;
    error.code = ErrorCode::unknownProvider;
    error.what = "Unknown provider: " + printable(name);
    error.why = "no manifest of that name is on the search path";
    error.fix = near ? "did you mean " + std::string(*near) + "?" : "computesdk provider list";
    return fail(error, common.json);
  }
  if (common.json) {
    JsonWriter json;
    json.beginObject().field("provider", found->name).field("version", found->version);
    json.optionalField("manifest", found->manifestPath).optionalField("library", found->libraryPath);
    json.key("manifest_json").raw(found->manifestJson);
    print(json.endObject().str() + "\n");
    return 0;
  }
  std::string out;
  auto line = [&out](std::string_view label, const std::string& value) {
    if (!value.empty()) out += std::string(label) + std::string(14 - label.size(), ' ') + printable(value) + "\n";
  };
  line("name:", found->name + " " + found->version);
  line("title:", found->title);
  line("about:", found->description);
  line("vendor:", found->vendor);
  line("license:", found->license);
  line("homepage:", found->homepage);
  line("manifest:", found->manifestPath);
  line("library:", found->libraryPath);
  line("placement:", found->placement);
  line("can:", join(found->capabilities, ", "));
  if (!found->settings.empty()) out += "settings:\n";
  for (const ProviderSetting& setting : found->settings) {
    out += "  " + printable(join(setting.env, " or ")) + (setting.secret ? " (secret)" : "") +
           (setting.required ? " (required)" : "") + (setting.help.empty() ? "" : "  " + printable(setting.help)) +
           "\n";
  }
  if (!found->setupSteps.empty()) out += "to set it up:\n";
  int number = 0;
  for (const std::string& step : found->setupSteps)
    out += "  " + std::to_string(++number) + ". " + printable(step) + "\n";
  line("more:", found->setupUrl);
  print(out);
  return 0;
}

int providerSearchPathVerb(std::span<const std::string> words) {
  CommonFlags common;
  Arguments arguments({"provider search-path",
                       "[options]",
                       "Folders where providers are looked for, in order, and why one of them is not used.",
                       {"computesdk provider search-path", "computesdk provider search-path --json",
                        "COMPUTESDK_PROVIDER_PATH=/opt/acme computesdk provider search-path"}});
  addCommonFlags(arguments, common, false);
  if (auto code = parseWords(arguments, words)) return *code;
  auto session = Session::open(common);
  if (!session) return fail(session.error(), common.json);
  auto folders = session->compute().providerFolders(nothrow);
  if (!folders) return fail(folders.error(), common.json);
  JsonWriter json;
  json.beginArray();
  Table table({"FOLDER", "FROM", "USED"});
  for (const ProviderFolder& folder : *folders) {
    table.add({folder.path, folder.origin, folder.ignored.empty() ? "yes" : "no: " + folder.ignored});
    json.beginObject().field("path", folder.path).field("origin", folder.origin);
    json.field("used", folder.ignored.empty()).optionalField("ignored", folder.ignored).endObject();
  }
  print(common.json ? json.endArray().str() + "\n" : table.str());
  return 0;
}

int providerTrustVerb(std::span<const std::string> words) {
  CommonFlags common;
  std::string file;
  Arguments arguments(
      {"provider trust",
       "FILE [options]",
       "Let a plug-in run inside programs of yours: writes the hash of FILE, a library or its manifest, to "
       "your trust file. Without it a plug-in that you installed runs in a process of its own.",
       {"computesdk provider trust ~/.local/share/computesdk/providers/acme.provider.json",
        "computesdk provider trust ./libcomputesdk_acme.so", "computesdk provider list"}});
  addCommonFlags(arguments, common, false, false);
  arguments.positional("FILE", file);
  if (auto code = parseWords(arguments, words)) return *code;
  auto session = Session::open(common);
  if (!session) return fail(session.error(), false);
  std::filesystem::path path = absolutePaths({file}).front();
  if (access(path.c_str(), R_OK) != 0) return fail(fileFailure("trust", path, errno), false);
  auto trusted = session->compute().trustProvider(nothrow, path);
  if (!trusted) return fail(trusted.error(), false);
  print("trusted: " + printable(path.string()) + "\n");
  return 0;
}

}  // namespace computesdk::cli
