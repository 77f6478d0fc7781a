#include "vercel/control.hpp"

#include <algorithm>
#include <unordered_set>

namespace computesdk::vercel {
namespace {

using plugin::Error;
using plugin::view;
using vendor::Answer;
using vendor::Json;
using vendor::JsonDocument;
using vendor::JsonValue;

constexpr std::size_t kPages = 10000;
constexpr std::int64_t kMemoryPerCpu = std::int64_t{2} << 30;
constexpr std::size_t kMostPorts = 15;

Error limitError(const std::string& what, const std::string& fix) {
  return Error(CSDK_UNIMPLEMENTED, what).errorClass(CSDK_ERROR_LIMIT).fix(fix);
}

/// Cores and memory come together: 2 GiB with each core. 0: the vendor's default.
std::int64_t coresOf(const csdk_create_args& args) {
  if ((args.flags & CSDK_CREATE_LIMITS) == 0) return 0;
  if (args.disk_bytes > 0 || args.process_limit > 0) {
    throw limitError("the disk and the number of processes of a Vercel sandbox cannot be chosen",
                     "leave them out; CPU and memory can be chosen");
  }
  std::int64_t cores = 0;
  if (args.cpu_milli > 0) {
    if (args.cpu_milli % 1000 != 0)
      throw limitError("a Vercel sandbox has whole cores", "ask for 1, 2, 4 or 8 of them");
    cores = args.cpu_milli / 1000;
  }
  if (args.memory_bytes > 0) {
    const std::int64_t fitting = std::max<std::int64_t>((args.memory_bytes + kMemoryPerCpu - 1) / kMemoryPerCpu, 1);
    if (args.memory_bytes != fitting * kMemoryPerCpu || (cores != 0 && cores != fitting)) {
      throw limitError("a Vercel sandbox has 2 GiB of memory for each core", "ask for " + std::to_string(fitting * 2) +
                                                                                 " GiB and " + std::to_string(fitting) +
                                                                                 " cores, or for one of both");
    }
    cores = fitting;
  }
  return cores;
}

/// node, node24, python3.13: names of runtimes, in full or short.
std::string runtimeOf(std::string_view text) {
  if (text == "node") return "node24";
  if (text == "python") return "python3.13";
  for (const std::string_view family : {"node", "python"}) {
    if (!text.starts_with(family)) continue;
    const std::string_view version = text.substr(family.size());
    const auto isVersion = [](char c) { return (c >= '0' && c <= '9') || c == '.'; };
    if (std::all_of(version.begin(), version.end(), isVersion)) return std::string(text);
  }
  return {};
}

/// What it is made of: one of a runtime, an image, a snapshot.
void setOrigin(JsonValue& body, const csdk_create_args& args) {
  std::string runtime(view(args.runtime));
  if (const std::string known = runtimeOf(runtime); !known.empty()) runtime = known;
  std::string_view snapshot = view(args.snapshot_id);
  if (args.template_id.size != 0) {
    const std::string known = runtimeOf(view(args.template_id));
    if (!snapshot.empty() || (!known.empty() && !runtime.empty())) {
      throw Error(CSDK_INVALID_ARGUMENT, "both a template and a snapshot or runtime were given")
          .fix("give one of them");
    }
    if (known.empty()) {
      snapshot = view(args.template_id);
    } else {
      runtime = known;
    }
  }
  if (!runtime.empty() && args.image.size != 0) {
    throw Error(CSDK_INVALID_ARGUMENT, "both a runtime and an image were given").fix("give one of them");
  }
  body.setText("runtime", runtime).setText("image", view(args.image));
  if (snapshot.empty()) return;
  JsonValue source = JsonValue::object();
  source.set("type", "snapshot").set("snapshotId", snapshot);
  body.set("source", std::move(source));
}

/// A name is one of the project at Vercel, and one of a namespace here.
std::string nameOf(const csdk_create_args& args) {
  std::string name(view(args.name));
  for (const csdk_pair& pair : view(args.metadata)) {
    const std::string_view space = view(pair.value);
    if (!name.empty() && view(pair.key) == "namespace" && !space.empty() && space != "default") {
      name = std::string(space) + "--" + name;
    }
  }
  return name;
}

std::uint32_t statusOf(std::string_view text) {
  if (text == "pending" || text == "running") return CSDK_SANDBOX_RUNNING;
  if (text == "stopping" || text == "stopped" || text == "snapshotting") return CSDK_SANDBOX_STOPPED;
  return text == "failed" || text == "aborted" ? CSDK_SANDBOX_ERROR : CSDK_SANDBOX_UNKNOWN;
}

std::uint32_t networkOf(Json policy) {
  const std::string_view mode = policy.textOr("mode");
  return mode == "deny-all" ? CSDK_NETWORK_NONE : mode == "allow-all" ? CSDK_NETWORK_FULL : CSDK_NETWORK_DEFAULT;
}

}  // namespace

JsonValue createBody(const Settings& settings, const csdk_create_args& args) {
  if (args.timeout_ms < 0) {
    throw Error(CSDK_UNIMPLEMENTED, "a Vercel sandbox always stops after some time")
        .fix("give a timeout (45 minutes at most, 5 hours with a paid plan) and extend it while you need the sandbox");
  }
  const auto wanted = view(args.ports);
  if (wanted.size() > kMostPorts) {
    throw Error(CSDK_OUT_OF_RANGE, "a Vercel sandbox has at most 15 ports").fix("name fewer ports");
  }
  JsonValue body = JsonValue::object();
  JsonValue ports = JsonValue::array();
  for (const auto port : wanted) ports.push(static_cast<std::int64_t>(port));
  body.set("projectId", settings.project).set("ports", std::move(ports));
  if (args.timeout_ms > 0) body.set("timeout", args.timeout_ms);
  body.setText("name", nameOf(args));
  setOrigin(body, args);
  if (const std::int64_t cores = coresOf(args); cores != 0) {
    JsonValue resources = JsonValue::object();
    resources.set("vcpus", cores);
    body.set("resources", std::move(resources));
  }
  if (args.env.count != 0) body.set("env", JsonValue::of(args.env));
  JsonValue tags = JsonValue::of(args.metadata);
  if (args.idempotency_key.size != 0) tags.set(kCreateLabel, view(args.idempotency_key));
  body.set("tags", std::move(tags));
  if ((args.flags & CSDK_CREATE_NETWORK) != 0 && args.network != CSDK_NETWORK_DEFAULT) {
    JsonValue policy = JsonValue::object();
    policy.set("mode", args.network == CSDK_NETWORK_NONE ? "deny-all" : "allow-all");
    body.set("networkPolicy", std::move(policy));
  }
  body.setOptions(args.options, {"sudo"});
  return body;
}

std::string createPath(const Settings& settings, const JsonValue& body) {
  return settings.path(body.find("runtime") != nullptr ? "/v2/sandboxes" : "/v3/sandboxes");
}

vendor::SandboxResult resultOf(Json sandbox) {
  vendor::SandboxResult result;
  result.id = result.name = sandbox.text("name");
  result.status = statusOf(sandbox.textOr("status"));
  result.createdMs = sandbox.integerOr("createdAt", 0);
  result.cpuMilli = sandbox.integerOr("vcpus", 0) * 1000;
  result.memoryBytes = sandbox.integerOr("memory", 0) << 20;
  result.templateId = sandbox.textOr("runtime");
  result.image = sandbox.textOr("image");
  result.network = networkOf(sandbox["networkPolicy"]);
  result.isolation = "virtual machine";
  result.limits = {{"memory", "hard"}, {"cpu", "hard"}};
  for (const auto& [key, value] : sandbox["tags"].members()) {
    if (key == kCreateLabel) continue;
    const std::string text(value.asText().value_or(""));
    if (key == "name") result.name = text;
    result.metadata.emplace_back(key, text);
  }
  return result;
}

vendor::SandboxResult resultOf(Json sandbox, Json session) {
  vendor::SandboxResult result = resultOf(sandbox);
  result.status = statusOf(session.textOr("status"));
  const std::int64_t began = session.integerOr("startedAt", session.integerOr("createdAt", 0));
  const std::int64_t timeout = session.integerOr("timeout", 0);
  if (result.status == CSDK_SANDBOX_RUNNING && began > 0 && timeout > 0) result.expiresMs = began + timeout;
  if (const std::uint32_t network = networkOf(session["networkPolicy"]); network != CSDK_NETWORK_DEFAULT) {
    result.network = network;
  }
  return result;
}

void listPages(vendor::Session& session, const vendor::Api& control, const Settings& settings, std::string_view path,
               std::string_view items, const vendor::Query& query, const std::function<bool(Json)>& each) {
  std::unordered_set<std::string> seen;
  std::string next;
  do {
    vendor::Query page = query;
    page.add("project", settings.project).add("limit", "50").addText("cursor", next);
    const Answer answer = control.send(session, control.get(settings.path(path, page)));
    const JsonDocument list = control.json(answer, "list");
    const Json all = list[items];
    if (!all.isArray()) {
      throw Error(CSDK_UNAVAILABLE, "Vercel's answer to list has no " + std::string(items))
          .errorClass(CSDK_ERROR_PROTOCOL);
    }
    for (const Json item : all.items()) {
      if (!each(item)) return;
    }
    next = list["pagination"].textOr("next");
    // A service that gives the same mark again would keep us here for ever.
    if (!next.empty() && (!seen.insert(next).second || seen.size() > kPages)) {
      throw Error(CSDK_UNAVAILABLE, "Vercel's list does not come to an end").errorClass(CSDK_ERROR_PROTOCOL);
    }
  } while (!next.empty());
}

void listSandboxes(vendor::Session& session, const vendor::Api& control, const Settings& settings, std::string_view key,
                   std::string_view value, const std::function<bool(Json)>& each) {
  vendor::Query query;
  if (!key.empty()) query.add("tags", std::string(key) + ":" + std::string(value));
  listPages(session, control, settings, "/v2/sandboxes", "sandboxes", query, each);
}

void destroySandbox(vendor::Session& session, const vendor::Api& control, const Settings& settings,
                    std::string_view name) {
  if (name.empty() || name == "." || name == "..") return;  // nobody is called so
  vendor::Query query;
  if (settings.deleteSnapshots) query.add("deleteOrphanSnapshots", "true");
  control.send(session, control.remove(settings.sandboxPath(name, query)), {404});
}

namespace {

void emitSnapshot(const plugin::Call& call, Json snapshot, std::string_view name, std::string_view sandbox) {
  csdk_snapshot one{};
  one.id = plugin::str(snapshot.text("id"));
  one.name = plugin::str(name);
  one.sandbox_id = plugin::str(sandbox);
  one.created_ms = snapshot.integerOr("createdAt", 0);
  one.size_bytes = snapshot.integerOr("sizeBytes", -1);
  call.emit(one);
}

}  // namespace

void createSnapshot(Machine& machine, const csdk_snapshot_args& args) {
  vendor::Request request = machine.post("/snapshot", JsonValue::object());
  request.headTimeoutMs = 600000;  // the sandbox stops, and its disk is kept
  const JsonDocument made = JsonDocument::parse(machine.send(request).body, "Vercel's answer to snapshot");
  emitSnapshot(machine.session().call(), made["snapshot"], view(args.name), machine.handle().name);
}

void listSnapshots(vendor::Session& session, const vendor::Api& control, const Settings& settings,
                   const csdk_snapshot_args& args) {
  vendor::Query query;
  query.addText("name", view(args.target.id));
  listPages(session, control, settings, "/v2/sandboxes/snapshots", "snapshots", query, [&](Json snapshot) {
    if (snapshot.textOr("status") != "deleted") emitSnapshot(session.call(), snapshot, {}, view(args.target.id));
    return true;
  });
}

void removeSnapshot(vendor::Session& session, const vendor::Api& control, const Settings& settings,
                    std::string_view id) {
  const std::string path = settings.path("/v2/sandboxes/snapshots/" + vendor::pathSegment(id));
  control.send(session, control.remove(path), {404, 410});
}

}  // namespace computesdk::vercel
