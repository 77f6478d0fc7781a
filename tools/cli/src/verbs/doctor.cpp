#include <rapidjson/document.h>

#include <unistd.h>

#include <cstdlib>

#include "core/failure.hpp"
#include "core/interrupt.hpp"
#include "core/json.hpp"
#include "core/session.hpp"
#include "core/terminal.hpp"
#include "verbs/verbs.hpp"

namespace computesdk::cli {
namespace {

enum class State { ok, warn, fail };

struct Check {
  std::string name;
  State state = State::ok;
  std::string detail;
  std::string fix;
};

std::string_view toString(State state) { return state == State::ok ? "ok" : state == State::warn ? "warn" : "fail"; }

std::string text(const rapidjson::Value& object, const char* key) {
  auto found = object.FindMember(key);
  return found == object.MemberEnd() || !found->value.IsString() ? std::string{} : found->value.GetString();
}

/// {"checks": [{"name", "state": "ok|warn|fail", "detail", "fix"}]}, as a provider answers the vendor call "doctor".
std::vector<Check> parseChecks(const std::string& json) {
  std::vector<Check> checks;
  rapidjson::Document document;
  static constexpr std::size_t kMaxBytes = std::size_t{1} << 20;
  if (json.size() > kMaxBytes) return checks;
  document.Parse<rapidjson::kParseIterativeFlag>(json.data(), json.size());
  if (document.HasParseError() || !document.IsObject()) return checks;
  auto list = document.FindMember("checks");
  if (list == document.MemberEnd() || !list->value.IsArray()) return checks;
  for (const auto& item : list->value.GetArray()) {
    if (!item.IsObject()) continue;
    std::string state = text(item, "state");
    checks.push_back({text(item, "name"),
                      state == "ok"     ? State::ok
                      : state == "warn" ? State::warn
                                        : State::fail,
                      text(item, "detail"), text(item, "fix")});
  }
  return checks;
}

Check failed(std::string name, const ErrorInfo& error) {
  return {std::move(name), State::fail, error.firstLine(), error.fix};
}

/// What the local provider says of this kernel, if it is there.
void checkMachine(Session& session, std::vector<Check>& checks) {
  auto said = session.compute().provider("local").call(nothrow, "doctor", "", stopToken());
  if (said) {
    for (Check& check : parseChecks(*said)) checks.push_back(std::move(check));
  } else if (said.error().code != ErrorCode::unsupported) {
    checks.push_back(failed("local provider", said.error()));
  }
}

/// The one proof that counts: a sandbox that runs a command.
void checkSandbox(Session& session, std::vector<Check>& checks) {
  auto sandbox = session.sandboxes().create(nothrow, {.provider = "local", .dieWithHost = true, .stop = stopToken()});
  if (!sandbox) {
    checks.push_back(failed("local sandbox", sandbox.error()));
    return;
  }
  SandboxInfo info = sandbox->lastInfo();
  auto result = sandbox->runCommand(nothrow, CommandLine({"true"}), {.stop = stopToken()});
  if (!result) {
    checks.push_back(failed("local sandbox", result.error()));
  } else if (result->exitCode != 0) {
    checks.push_back({"local sandbox", State::fail, "`true` ended with " + std::to_string(result->exitCode), ""});
  } else {
    checks.push_back({"local sandbox", State::ok, info.isolation.empty() ? "runs a command" : info.isolation, ""});
  }
  for (const auto& [limit, strength] : info.limits) {
    State state = strength == "hard" ? State::ok : State::warn;
    checks.push_back({"limit: " + limit, state, strength, ""});
  }
  if (auto destroyed = sandbox->destroy(nothrow); !destroyed) {
    checks.push_back(failed("destroy the sandbox", destroyed.error()));
  }
}

void checkProviders(Session& session, std::vector<Check>& checks) {
  auto report = session.compute().detect(nothrow);
  if (!report) {
    checks.push_back(failed("providers", report.error()));
    return;
  }
  for (const ProviderCandidate& candidate : report->candidates) {
    if (candidate.state == ProviderState::unloadable) {
      checks.push_back({"provider " + candidate.name, State::warn, candidate.why, ""});
    }
  }
  for (const std::string& warning : report->warnings) checks.push_back({"providers", State::warn, warning, ""});
  if (report->error) {
    checks.push_back(failed("default provider", *report->error));
  } else {
    checks.push_back({"default provider", State::ok, report->selected.value_or(""), ""});
  }
}

/// Names and remembered sandboxes are kept here.
void checkStateFolder(std::vector<Check>& checks) {
  const char* xdg = secure_getenv("XDG_STATE_HOME");
  const char* home = secure_getenv("HOME");
  std::filesystem::path folder;
  if (xdg != nullptr && xdg[0] == '/') {
    folder = xdg;
  } else if (home != nullptr && home[0] == '/') {
    folder = std::filesystem::path(home) / ".local/state";
  } else {
    checks.push_back(
        {"state folder", State::warn, "neither XDG_STATE_HOME nor HOME is set: names cannot be kept", "set HOME"});
    return;
  }
  // The nearest parent that is there decides whether the rest can be made.
  std::error_code ignored;
  std::filesystem::path there = folder / "computesdk";
  while (!std::filesystem::exists(there, ignored) && there.has_relative_path()) there = there.parent_path();
  bool writable = access(there.c_str(), W_OK) == 0;
  checks.push_back({"state folder", writable ? State::ok : State::fail,
                    writable ? (folder / "computesdk").string() : there.string() + " cannot be written",
                    writable ? "" : "make it writable, or set XDG_STATE_HOME"});
}

std::string checksText(const std::vector<Check>& checks, int failures, int warnings) {
  std::string out;
  for (const Check& check : checks) {
    std::string mark = check.state == State::ok     ? styledOut("✓", Style::green)
                       : check.state == State::warn ? styledOut("!", Style::yellow)
                                                    : styledOut("✗", Style::red);
    out += mark + " " + printable(check.name);
    if (!check.detail.empty()) out += ": " + printable(check.detail);
    if (!check.fix.empty()) out += "\n    → " + printable(check.fix);
    out += "\n";
  }
  out += std::to_string(failures) + " failed, " + std::to_string(warnings) +
         (warnings == 1 ? " warning\n" : " warnings\n");
  return out;
}

}  // namespace

int doctorVerb(std::span<const std::string> words) {
  CommonFlags common;
  Arguments arguments({"doctor",
                       "[options]",
                       "What this machine can give, found by really doing it, and what is missing. Exit 1 if anything "
                       "failed.",
                       {"computesdk doctor", "computesdk doctor --json | jq '.checks[] | select(.state != \"ok\")'",
                        "computesdk doctor -q && echo ready"}});
  addCommonFlags(arguments, common, false);
  if (auto code = parseWords(arguments, words)) return *code;
  catchSignals();
  std::vector<Check> checks;
  auto session = Session::open(common);
  if (!session) {
    checks.push_back(failed("configuration", session.error()));
  } else {
    checkMachine(*session, checks);
    checkSandbox(*session, checks);
    checkProviders(*session, checks);
    checkStateFolder(checks);
  }
  if (interrupted() != 0) return 128 + interrupted();
  int failures = 0;
  int warnings = 0;
  for (const Check& check : checks) {
    failures += check.state == State::fail ? 1 : 0;
    warnings += check.state == State::warn ? 1 : 0;
  }
  if (common.json) {
    JsonWriter json;
    json.beginObject().key("checks").beginArray();
    for (const Check& check : checks) {
      json.beginObject().field("name", check.name).field("state", toString(check.state));
      json.field("detail", check.detail).optionalField("fix", check.fix).endObject();
    }
    json.endArray().field("failed", failures).field("warnings", warnings).endObject();
    print(json.str() + "\n");
  } else if (!common.quiet) {
    print(checksText(checks, failures, warnings));
  }
  return failures == 0 ? 0 : 1;
}

}  // namespace computesdk::cli
