#include "daytona/control.hpp"

#include "common/time.hpp"

#include <algorithm>
#include <array>
#include <random>
#include <unordered_set>

namespace computesdk::daytona {
namespace {

using plugin::Error;
using plugin::view;
using vendor::Answer;
using vendor::Json;
using vendor::JsonDocument;
using vendor::JsonValue;

constexpr std::size_t kPages = 10000;
constexpr std::int64_t kGiB = std::int64_t{1} << 30;
constexpr std::string_view kLanguageLabel = "code-toolbox-language";
constexpr std::string_view kOwnLabels = "computesdk-";

constexpr std::array kPassing = {"creating",          "restoring",        "starting",          "pending_build",
                                 "building_snapshot", "pulling_snapshot", "resuming",          "resizing",
                                 "snapshotting",      "forking",          "building_snapshot", "unknown"};

bool isOneOf(std::string_view state, std::initializer_list<std::string_view> states) {
  return std::find(states.begin(), states.end(), state) != states.end();
}

/// Refuses what was asked for by name and cannot be had.
void refuseWhatCannotBe(const csdk_create_args& args) {
  if (args.process_limit > 0) {
    throw Error(CSDK_UNIMPLEMENTED, "Daytona limits no number of processes")
        .errorClass(CSDK_ERROR_LIMIT)
        .fix("leave the limit out, or set one inside with ulimit -u");
  }
  if ((args.flags & CSDK_CREATE_LIMITS) != 0 && args.image.size == 0) {
    throw Error(CSDK_UNIMPLEMENTED,
                "a Daytona sandbox that is made of a snapshot has the snapshot's CPU, memory and disk")
        .errorClass(CSDK_ERROR_LIMIT)
        .fix("name an image (--image debian:12) to choose them, or a snapshot of the size that you need");
  }
  const int sources =
      (args.snapshot_id.size != 0 ? 1 : 0) + (args.template_id.size != 0 ? 1 : 0) + (args.image.size != 0 ? 1 : 0);
  if (sources > 1) {
    throw Error(CSDK_INVALID_ARGUMENT, "more than one of template, snapshot and image was given")
        .fix("give one of them");
  }
  // It becomes a line of a Dockerfile.
  const std::string_view image = view(args.image);
  if (std::any_of(image.begin(), image.end(), [](char c) { return c <= 0x20 || c == 0x7f || c == '\\'; })) {
    throw Error(CSDK_INVALID_ARGUMENT, "the image's name has characters that none can have")
        .fix("give it as in debian:12");
  }
}

std::int64_t ceilDivide(std::int64_t value, std::int64_t by) { return (value - 1) / by + 1; }

std::string_view languageOf(std::string_view runtime) {
  if (runtime.starts_with("node") || runtime == "javascript" || runtime == "bun" || runtime == "deno")
    return "javascript";
  return runtime == "typescript" ? "typescript" : "python";
}

JsonValue labelsOf(const csdk_create_args& args) {
  JsonValue labels = JsonValue::of(args.metadata);
  if (labels.find(kLanguageLabel) == nullptr) labels.set(kLanguageLabel, languageOf(view(args.runtime)));
  if (args.idempotency_key.size != 0) labels.set(kCreateLabel, view(args.idempotency_key));
  if (args.working_directory.size != 0) labels.set(kDirectoryLabel, view(args.working_directory));
  return labels;
}

}  // namespace

std::string randomWord() {
  std::random_device random;
  char word[40];
  const int size = std::snprintf(word, sizeof word, "%08x%08x", random(), random());
  return {word, static_cast<std::size_t>(size)};
}

JsonValue createBody(const csdk_create_args& args, const Settings& settings) {
  refuseWhatCannotBe(args);
  JsonValue body = JsonValue::object();
  body.setText("name", view(args.name));
  if (args.image.size != 0) {
    JsonValue build = JsonValue::object();
    build.set("dockerfileContent", "FROM " + std::string(view(args.image)) + "\n");
    body.set("buildInfo", std::move(build));
    if (args.cpu_milli > 0) body.set("cpu", ceilDivide(args.cpu_milli, 1000));
    if (args.memory_bytes > 0) body.set("memory", ceilDivide(args.memory_bytes, kGiB));
    if (args.disk_bytes > 0) body.set("disk", ceilDivide(args.disk_bytes, kGiB));
  }
  body.setText("snapshot", args.snapshot_id.size != 0 ? view(args.snapshot_id) : view(args.template_id));
  body.set("env", JsonValue::of(args.env));
  body.set("labels", labelsOf(args));
  body.setText("target", settings.target);
  // A sandbox that is used ends with its time to live; one that is not must not stop before.
  if (args.timeout_ms != 0) {
    const std::int64_t minutes = args.timeout_ms < 0 ? 0 : vendor::ceilMinutes(args.timeout_ms);
    body.set("autoStopInterval", minutes).set("ttlMinutes", minutes);
  }
  if ((args.flags & CSDK_CREATE_NETWORK) != 0) body.set("networkBlockAll", args.network == CSDK_NETWORK_NONE);
  body.setOptions(args.options);
  return body;
}

vendor::SandboxResult resultOf(Json sandbox) {
  vendor::SandboxResult result;
  result.id = sandbox.text("id");
  result.name = sandbox.textOr("name");
  if (result.name == result.id) result.name.clear();
  result.templateId = sandbox.textOr("snapshot");
  const std::string_view state = sandbox.textOr("state", "unknown");
  result.status = CSDK_SANDBOX_UNKNOWN;
  if (state == "started") result.status = CSDK_SANDBOX_RUNNING;
  if (state != "unknown" && std::find(kPassing.begin(), kPassing.end(), state) != kPassing.end()) {
    result.status = state == "snapshotting" || state == "resizing" || state == "forking" ? CSDK_SANDBOX_RUNNING
                                                                                         : CSDK_SANDBOX_STARTING;
  }
  if (isOneOf(state, {"stopped", "stopping", "archived", "archiving", "destroying", "destroyed"})) {
    result.status = CSDK_SANDBOX_STOPPED;
  }
  if (isOneOf(state, {"paused", "pausing"})) result.status = CSDK_SANDBOX_PAUSED;
  if (isOneOf(state, {"error", "build_failed"})) result.status = CSDK_SANDBOX_ERROR;
  result.createdMs = vendor::timeOr0(sandbox.textOr("createdAt"));
  result.expiresMs = vendor::timeOr0(sandbox.textOr("autoDestroyAt"));
  const std::int64_t idle = sandbox.integerOr("autoStopInterval", 0);
  const std::int64_t used = vendor::timeOr0(sandbox.textOr("lastActivityAt"));
  if (result.expiresMs == 0 && state == "started" && idle > 0 && used > 0) result.expiresMs = used + idle * 60000;
  result.cpuMilli = static_cast<std::int64_t>(sandbox["cpu"].asNumber().value_or(0) * 1000);
  result.memoryBytes = static_cast<std::int64_t>(sandbox["memory"].asNumber().value_or(0) * static_cast<double>(kGiB));
  result.diskBytes = static_cast<std::int64_t>(sandbox["disk"].asNumber().value_or(0) * static_cast<double>(kGiB));
  result.isolation = "container or virtual machine";
  result.limits = {{"memory", "hard"}, {"cpu", "hard"}, {"disk", "hard"}};
  if (sandbox.booleanOr("networkBlockAll", false)) result.network = CSDK_NETWORK_NONE;
  for (const auto& [key, value] : sandbox["labels"].members()) {
    if (key == kLanguageLabel || key.starts_with(kOwnLabels)) continue;
    result.metadata.emplace_back(key, value.asText().value_or(""));
  }
  const Connection connection = Connection::of(sandbox);
  result.token = connection.token();
  result.workingDirectory = connection.directory;
  result.nativeJson = nativeOf(sandbox);
  return result;
}

std::string nativeOf(Json sandbox) {
  JsonValue native = JsonValue::of(sandbox);
  native.erase("env");
  return native.write();
}

bool isGone(Json sandbox) { return isOneOf(sandbox.textOr("state"), {"destroying", "destroyed"}); }

std::optional<JsonDocument> lookFor(vendor::Session& session, const vendor::Api& control, std::string_view id) {
  const Answer answer = control.send(session, control.get("/sandbox/" + vendor::pathSegment(id)), {404});
  if (answer.status == 404) return {};
  JsonDocument sandbox = control.json(answer, "inspect");
  if (sandbox.root().text("id") != id && sandbox.root().textOr("name") != id) {
    throw Error(CSDK_UNAVAILABLE, "Daytona's answer to inspect is about another sandbox")
        .errorClass(CSDK_ERROR_PROTOCOL);
  }
  if (isGone(sandbox.root())) return {};
  return sandbox;
}

JsonDocument askAbout(vendor::Session& session, const vendor::Api& control, std::string_view id) {
  auto sandbox = lookFor(session, control, id);
  if (!sandbox) throw vendor::goneError(kTitle, id);
  return std::move(*sandbox);
}

JsonDocument untilNot(vendor::Session& session, const vendor::Api& control, std::string_view id,
                      const std::function<bool(std::string_view)>& passing) {
  constexpr std::int64_t kFirstMs = 40, kNextMs = 100, kLongestMs = 1000;
  constexpr int kEager = 50;  // looks before the pauses grow
  std::int64_t pauseMs = kFirstMs;
  for (int looks = 0;; ++looks) {
    JsonDocument sandbox = askAbout(session, control, id);
    if (!passing(sandbox.root().textOr("state"))) return sandbox;
    session.pause(pauseMs);
    pauseMs = looks < kEager ? kNextMs : std::min(kLongestMs, pauseMs + pauseMs / 10);
  }
}

JsonDocument untilStarted(vendor::Session& session, const vendor::Api& control, std::string_view id) {
  JsonDocument sandbox = untilNot(session, control, id, [](std::string_view state) {
    return std::find(kPassing.begin(), kPassing.end(), state) != kPassing.end();
  });
  const std::string_view state = sandbox.root().textOr("state");
  if (state == "started") return sandbox;
  const std::string reason = vendor::oneLine(sandbox.root().textOr("errorReason"), 300);
  Error error(isOneOf(state, {"error", "build_failed"}) ? CSDK_UNAVAILABLE : CSDK_FAILED_PRECONDITION,
              "the sandbox did not start: it is " + vendor::oneLine(state, 40) + (reason.empty() ? "" : ": " + reason));
  if (state == "build_failed") error.fix("check the image: whether it exists, and can be fetched without a password");
  throw error;
}

Answer post(vendor::Session& session, const vendor::Api& control, std::string_view id, std::string_view verb,
            std::initializer_list<int> alsoGood) {
  const std::string path = "/sandbox/" + vendor::pathSegment(id) + "/" + std::string(verb);
  vendor::Request request = control.request("POST", path);
  request.headTimeoutMs = 300000;
  const Answer answer = session.fetch(request, vendor::kJsonMaxBytes);
  if (answer.ok() || std::find(alsoGood.begin(), alsoGood.end(), answer.status) != alsoGood.end()) return answer;
  if (answer.status == 404) throw vendor::goneError(kTitle, id);
  throw control.failure(session, answer, false).error();  // asked for twice, it is there once
}

JsonDocument wake(vendor::Session& session, const vendor::Api& control, std::string_view id) {
  JsonDocument sandbox = untilNot(session, control, id, [](std::string_view state) {
    return isOneOf(state, {"stopping", "pausing", "archiving"});
  });
  const std::string_view state = sandbox.root().textOr("state");
  if (state == "started") return sandbox;
  // 400: somebody else has started it meanwhile; the wait says what became of it.
  if (isOneOf(state, {"stopped", "paused", "archived"})) post(session, control, id, "start", {400, 409});
  return untilStarted(session, control, id);
}

void listSandboxes(vendor::Session& session, const vendor::Api& control, csdk_pairs labels,
                   const std::function<bool(Json)>& each) {
  std::unordered_set<std::string> seen;
  std::string cursor;
  for (std::int64_t page = 1;; ++page) {
    vendor::Query query;
    query.add("limit", "100");
    if (labels.count != 0) query.add("labels", JsonValue::of(labels).write());
    query.addText("cursor", cursor);
    if (page > 1 && cursor.empty()) query.add("page", std::to_string(page));
    const Answer answer = control.send(session, control.get(query.on("/sandbox")));
    const JsonDocument list = control.json(answer, "list");
    // Older installations answer with all of them, or with numbered pages.
    const bool isWhole = list.root().isArray();
    const Json items = isWhole ? list.root() : list["items"];
    if (!isWhole && !items.isArray()) {
      throw Error(CSDK_UNAVAILABLE, "Daytona's answer to list has no items").errorClass(CSDK_ERROR_PROTOCOL);
    }
    for (const Json item : items.items()) {
      if (!isGone(item) && !each(item)) return;
    }
    if (isWhole) return;
    cursor = list.root().textOr("nextCursor");
    if (cursor.empty() && page >= list.root().integerOr("totalPages", 0)) return;
    // A service that gives the same mark again would keep us here for ever.
    if ((!cursor.empty() && !seen.insert(cursor).second) || static_cast<std::size_t>(page) > kPages) {
      throw Error(CSDK_UNAVAILABLE, "Daytona's list does not come to an end").errorClass(CSDK_ERROR_PROTOCOL);
    }
  }
}

void destroySandbox(vendor::Session& session, const vendor::Api& control, std::string_view id) {
  if (id == "." || id == "..") return;
  constexpr int kTries = 40;
  for (int tries = 1;; ++tries) {
    const Answer answer = control.send(session, control.remove("/sandbox/" + vendor::pathSegment(id)), {400, 404, 409});
    if (answer.ok() || answer.status == 404) return;
    // It is refused while it changes, also while it is being destroyed.
    const auto sandbox = lookFor(session, control, id);
    if (!sandbox) return;
    const std::string state(sandbox->root().textOr("state"));
    if (tries == kTries || isOneOf(state, {"started", "stopped", "paused", "archived"})) {
      throw control.failure(session, answer, false).error();
    }
    session.pause(250);
  }
}

}  // namespace computesdk::daytona
