#include <linux/landlock.h>
#include <pwd.h>
#include <rapidjson/document.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
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
  std::string name = {};
  State state = State::ok;
  std::string detail = {};  ///< what was found; of a lack its cause
  std::string gives = {};   ///< what it is good for
  std::string cost = {};    ///< of a lack: what is lost
  std::string fix = {};     ///< of a lack: what to do
};

std::string_view toString(State state) { return state == State::ok ? "ok" : state == State::warn ? "warn" : "fail"; }

std::string text(const rapidjson::Value& object, const char* key) {
  auto found = object.FindMember(key);
  return found == object.MemberEnd() || !found->value.IsString() ? std::string{} : found->value.GetString();
}

/// {"checks": [{"name", "state": "ok|warn|fail", "gives", "found", "why", "cost", "fix"}]}, as a provider answers the
/// vendor call "doctor".
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
    checks.push_back({.name = text(item, "name"),
                      .state = state == "ok"     ? State::ok
                               : state == "warn" ? State::warn
                                                 : State::fail,
                      .detail = text(item, state == "ok" ? "found" : "why"),
                      .gives = text(item, "gives"),
                      .cost = text(item, "cost"),
                      .fix = text(item, "fix")});
  }
  return checks;
}

Check failed(std::string name, const ErrorInfo& error) {
  return {.name = std::move(name), .state = State::fail, .detail = error.firstLine(), .fix = error.fix};
}

/// How a sandbox was isolated that ran a command; empty when none did.
std::string checkSandbox(Session& session, std::vector<Check>& checks) {
  // With a limit of each kind, so that each one's strength is seen.
  auto sandbox = session.sandboxes().create(
      nothrow, {.provider = "local", .cpuMilli = 1000, .dieWithHost = true, .stop = stopToken()});
  if (!sandbox) {
    checks.push_back(failed("local sandbox", sandbox.error()));
    return {};
  }
  SandboxInfo info = sandbox->lastInfo();
  std::string proven;
  auto result = sandbox->runCommand(nothrow, CommandLine({"true"}), {.stop = stopToken()});
  if (!result) {
    checks.push_back(failed("local sandbox", result.error()));
  } else if (result->exitCode != 0) {
    checks.push_back({.name = "local sandbox",
                      .state = State::fail,
                      .detail = "`true` ended with " + std::to_string(result->exitCode)});
  } else {
    checks.push_back({.name = "local sandbox", .detail = "runs a command; " + info.isolation});
    proven = info.isolation;
  }
  for (const auto& [limit, strength] : info.limits) {
    Check check{.name = "limit of " + limit, .detail = strength};
    if (strength != "hard") {
      check.state = State::warn;
      check.cost = strength == "soft" ? "it is met approximately" : "there is none";
    }
    checks.push_back(std::move(check));
  }
  if (auto destroyed = sandbox->destroy(nothrow); !destroyed) {
    checks.push_back(failed("destroy the sandbox", destroyed.error()));
  }
  return proven;
}

/// What the local provider says of this kernel, and the one proof that counts: a sandbox that runs a command. Nothing
/// where the user does without that provider.
void checkLocal(Session& session, std::vector<Check>& checks) {
  auto said = session.compute().provider("local").call(nothrow, "doctor", "", stopToken());
  if (said) {
    for (Check& check : parseChecks(*said)) checks.push_back(std::move(check));
  } else if (said.error().code == ErrorCode::policy) {
    checks.push_back({.name = "local provider", .state = State::warn, .detail = said.error().why});
    return;
  } else if (said.error().code != ErrorCode::unsupported) {
    checks.push_back(failed("local provider", said.error()));
    return;
  }
  const std::size_t parts = checks.size();
  const std::string proven = checkSandbox(session, checks);
  if (proven.empty()) return;
  // Something that was thought to be needed was not: root does without user namespaces.
  for (std::size_t i = 0; i < parts; ++i) {
    if (checks[i].state != State::fail) continue;
    checks[i].state = State::warn;
    checks[i].cost = "sandboxes are made another way, which gives less: " + proven;
  }
}

/// What holds plug-ins that are not trusted, besides the filter of system calls.
Check checkLandlock() {
  Check check{.name = "landlock",
              .gives = "plug-ins that are not trusted can neither write files nor trace this user's processes"};
  if (syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION) > 0) return check;
  check.state = State::warn;
  check.detail = errno == EOPNOTSUPP ? "it is in the kernel, but was not switched on at boot"
                                     : "this kernel has no Landlock, or a filter around this process forbids it";
  check.cost = "plug-ins that are not trusted are held by the filter of system calls alone";
  check.fix = errno == EOPNOTSUPP ? "add landlock to lsm= on the kernel's command line" : "Use Linux 5.13 or newer.";
  return check;
}

void checkProviders(Session& session, std::vector<Check>& checks) {
  auto report = session.compute().detect(nothrow);
  if (!report) {
    checks.push_back(failed("providers", report.error()));
    return;
  }
  for (const ProviderCandidate& candidate : report->candidates) {
    if (candidate.state == ProviderState::unloadable) {
      checks.push_back({.name = "provider " + candidate.name, .state = State::warn, .detail = candidate.why});
    }
  }
  for (const std::string& warning : report->warnings) {
    checks.push_back({.name = "providers", .state = State::warn, .detail = warning});
  }
  if (report->error) {
    checks.push_back(failed("default provider", *report->error));
  } else {
    checks.push_back({.name = "default provider", .detail = report->selected.value_or("")});
  }
}

/// The user's home, as the runtime finds it; empty when there is none.
std::string homeFolder() {
  if (const char* home = secure_getenv("HOME"); home != nullptr && home[0] == '/') return home;
  passwd entry{};
  passwd* found = nullptr;
  std::array<char, 4096> buffer;
  bool known = getpwuid_r(geteuid(), &entry, buffer.data(), buffer.size(), &found) == 0 && found != nullptr;
  return known && entry.pw_dir != nullptr && entry.pw_dir[0] == '/' ? entry.pw_dir : "";
}

/// Names and remembered sandboxes are kept here.
void checkStateFolder(std::vector<Check>& checks) {
  const char* xdg = secure_getenv("XDG_STATE_HOME");
  const std::string home = homeFolder();
  std::filesystem::path folder;
  if (xdg != nullptr && xdg[0] == '/') {
    folder = xdg;
  } else if (!home.empty()) {
    folder = std::filesystem::path(home) / ".local/state";
  } else {
    checks.push_back({.name = "state folder",
                      .state = State::warn,
                      .detail = "neither XDG_STATE_HOME nor HOME is set",
                      .cost = "names cannot be kept",
                      .fix = "export HOME=…"});
    return;
  }
  // The nearest parent that is there decides whether the rest can be made.
  std::error_code ignored;
  std::filesystem::path there = folder / "computesdk";
  while (!std::filesystem::exists(there, ignored) && there.has_relative_path()) there = there.parent_path();
  bool writable = access(there.c_str(), W_OK) == 0;
  Check check{.name = "state folder",
              .detail = (folder / "computesdk").string(),
              .gives = "names, and finding remote sandboxes again"};
  if (!writable) {
    check.state = State::fail;
    check.detail = there.string() + " cannot be written";
    check.cost = "names cannot be kept";
    check.fix = "make it writable, or set XDG_STATE_HOME";
  }
  struct stat info = {};
  if (stat(there.c_str(), &info) == 0 && there == folder / "computesdk" && (info.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    check.state = State::fail;
    check.detail = "other users can write to " + there.string();
    check.cost = "names and tokens are not kept there";
    check.fix = "chmod 700 " + there.string();
  }
  checks.push_back(std::move(check));
}

/// Printable, with what follows the first line below its beginning.
std::string lines(std::string_view text) {
  std::string out;
  for (;;) {
    auto end = text.find('\n');
    out += printable(text.substr(0, end));
    if (end == std::string_view::npos) return out;
    out += "\n           ";
    text.remove_prefix(end + 1);
  }
}

std::string checksText(const std::vector<Check>& checks, int failures, int warnings) {
  std::string out;
  for (const Check& check : checks) {
    std::string mark = check.state == State::ok     ? styledOut("✓", Style::green)
                       : check.state == State::warn ? styledOut("!", Style::yellow)
                                                    : styledOut("✗", Style::red);
    bool good = check.state == State::ok;
    std::string first = good && !check.gives.empty() ? check.gives : check.detail;
    if (good && !check.gives.empty() && !check.detail.empty()) first += " (" + check.detail + ")";
    out += mark + " " + printable(check.name) + (first.empty() ? "" : ": " + lines(first)) + "\n";
    if (good) continue;
    if (!check.gives.empty()) out += "    gives: " + lines(check.gives) + "\n";
    if (!check.cost.empty()) out += "    costs: " + lines(check.cost) + "\n";
    if (!check.fix.empty()) out += "    fix:   " + lines(check.fix) + "\n";
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
    checkLocal(*session, checks);
    checks.push_back(checkLandlock());
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
      json.optionalField("detail", check.detail).optionalField("gives", check.gives);
      json.optionalField("cost", check.cost).optionalField("fix", check.fix).endObject();
    }
    json.endArray().field("failed", failures).field("warnings", warnings).endObject();
    print(json.str() + "\n");
  } else if (!common.quiet) {
    print(checksText(checks, failures, warnings));
  }
  return failures == 0 ? 0 : 1;
}

}  // namespace computesdk::cli
