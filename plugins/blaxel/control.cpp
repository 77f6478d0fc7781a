#include "blaxel/control.hpp"

#include "common/text.hpp"
#include "common/time.hpp"

#include <algorithm>
#include <charconv>
#include <unordered_set>

namespace computesdk::blaxel {
namespace {

using plugin::Error;
using plugin::view;
using vendor::Answer;
using vendor::Json;
using vendor::JsonDocument;
using vendor::JsonValue;

constexpr std::size_t kPages = 10000;
constexpr std::string_view kNameLabel = "name";

void refuseWhatCannotBe(const csdk_create_args& args) {
  if (args.cpu_milli != 0 || args.disk_bytes != 0 || args.process_limit != 0) {
    throw Error(CSDK_UNIMPLEMENTED, "of a Blaxel sandbox only the memory can be chosen; its CPU follows from that")
        .errorClass(CSDK_ERROR_LIMIT)
        .fix("ask for memory alone (--memory)");
  }
  if (args.template_id.size != 0 && args.image.size != 0) {
    throw Error(CSDK_INVALID_ARGUMENT, "both a template and an image were given, which are the same here")
        .fix("give one of them");
  }
}

std::string_view imageOf(const csdk_create_args& args) {
  if (args.image.size != 0) return view(args.image);
  if (args.template_id.size != 0) return view(args.template_id);
  const std::string_view runtime = view(args.runtime);
  if (runtime == "python") return "blaxel/py-app:latest";
  if (runtime == "node" || runtime == "typescript") return "blaxel/ts-app:latest";
  return "blaxel/base-image:latest";
}

JsonValue runtimeOf(const csdk_create_args& args) {
  JsonValue runtime = JsonValue::object();
  runtime.set("image", imageOf(args));
  if (args.memory_bytes > 0) runtime.set("memory", ((args.memory_bytes - 1) >> 20) + 1);
  if (args.ports.count != 0) {
    JsonValue ports = JsonValue::array();
    for (std::size_t i = 0; i < args.ports.count; ++i) {
      JsonValue port = JsonValue::object();
      ports.push(port.set("target", args.ports.items[i]).set("protocol", "HTTP"));
    }
    runtime.set("ports", std::move(ports));
  }
  if (args.env.count != 0) {
    JsonValue envs = JsonValue::array();
    for (const csdk_pair& pair : view(args.env)) {
      JsonValue one = JsonValue::object();
      envs.push(one.set("name", view(pair.key)).set("value", view(pair.value)));
    }
    runtime.set("envs", std::move(envs));
  }
  runtime.set("generation", "mk3");
  if (args.timeout_ms > 0) runtime.set("ttl", std::to_string(vendor::ceilSeconds(args.timeout_ms)) + "s");
  return runtime;
}

std::uint32_t statusOf(std::string_view status) {
  const auto among = [&](std::initializer_list<std::string_view> names) {
    return std::find(names.begin(), names.end(), status) != names.end();
  };
  if (among({"DEPLOYED"})) return CSDK_SANDBOX_RUNNING;
  if (among({"DEPLOYING", "BUILDING", "UPLOADING", "UNARCHIVING"})) return CSDK_SANDBOX_STARTING;
  if (among({"FAILED"})) return CSDK_SANDBOX_ERROR;
  if (among({"DELETING", "TERMINATING", "TERMINATED", "DEACTIVATED", "DEACTIVATING", "ARCHIVED", "ARCHIVING"})) {
    return CSDK_SANDBOX_STOPPED;
  }
  return CSDK_SANDBOX_UNKNOWN;
}

/// Seconds of "300s", "2h", …; 0 for what is none.
std::int64_t ttlSeconds(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failed != std::errc() || end == text.data() + text.size() || number < 0 || number > 100'000'000) return 0;
  switch (*end) {
    case 's': return number;
    case 'm': return number * 60;
    case 'h': return number * 3600;
    case 'd': return number * 86400;
    case 'w': return number * 604800;
    default: return 0;
  }
}

}  // namespace

std::int64_t wallMs(const plugin::Call& call) { return call.host().table().now_wall_ms(call.host().self()); }

JsonValue createBody(const csdk_create_args& args, const Settings& settings, std::string& name) {
  refuseWhatCannotBe(args);
  const plugin::Options options(args.options);
  name = options.text("name").value_or("");
  // A name of our own: should the answer be lost, the sandbox can be asked for by it.
  if (name.empty()) name = newName("computesdk-");
  JsonValue labels = JsonValue::of(args.metadata);
  if (args.name.size != 0 && labels.find(kNameLabel) == nullptr) labels.set(kNameLabel, view(args.name));
  if (args.idempotency_key.size != 0) labels.set(kCreateLabel, view(args.idempotency_key));
  JsonValue metadata = JsonValue::object();
  metadata.set("name", name).set("labels", std::move(labels));
  JsonValue spec = JsonValue::object();
  if (!settings.region.empty() && !options.text("region")) spec.set("region", settings.region);
  spec.set("runtime", runtimeOf(args));
  spec.setOptions(args.options, {"name", "keepAlive", "waitForPorts", "restartOnFailure", "maxRestarts"});
  JsonValue body = JsonValue::object();
  body.set("metadata", std::move(metadata)).set("spec", std::move(spec));
  return body;
}

vendor::SandboxResult resultOf(Json sandbox, std::int64_t nowMs) {
  vendor::SandboxResult result;
  const Json metadata = sandbox["metadata"], runtime = sandbox["spec"]["runtime"];
  result.id = metadata.text("name");
  result.status = statusOf(sandbox.textOr("status"));
  result.createdMs = vendor::timeOr0(metadata.textOr("createdAt"));
  result.image = runtime.textOr("image");
  result.memoryBytes = runtime.integerOr("memory", 0) << 20;
  result.isolation = "virtual machine";
  result.limits = {{"memory", "hard"}, {"cpu", "hard"}};
  if (const std::int64_t left = sandbox.integerOr("expiresIn", 0); left > 0) {
    result.expiresMs = nowMs + left * 1000;
  } else if (const std::int64_t ttl = ttlSeconds(runtime.textOr("ttl")); ttl > 0 && result.createdMs != 0) {
    result.expiresMs = result.createdMs + ttl * 1000;
  } else {
    result.expiresMs = vendor::timeOr0(runtime.textOr("expires"));
  }
  for (const auto& [key, value] : metadata["labels"].members()) {
    if (key.starts_with(kOwnLabels)) continue;
    const std::string text(value.asText().value_or(""));
    if (key == kNameLabel) result.name = text;
    result.metadata.emplace_back(key, text);
  }
  return result;
}

void listPages(vendor::Session& session, const vendor::Api& control, std::string_view path, std::string_view what,
               const std::function<bool(Json)>& each) {
  const std::string asked = "a list of " + std::string(what);
  std::unordered_set<std::string> seen;
  std::string cursor;
  for (;;) {
    vendor::Query query;
    query.add("limit", "100").addText("cursor", cursor);
    const Answer answer = control.send(session, control.get(query.on(path)));
    const JsonDocument page = control.json(answer, asked);
    // Of a version of the API that has no pages.
    const bool whole = page.root().isArray();
    const Json items = whole ? page.root() : page["data"];
    if (!items.isArray()) {
      throw Error(CSDK_UNAVAILABLE, "Blaxel's answer to " + asked + " holds none").errorClass(CSDK_ERROR_PROTOCOL);
    }
    for (const Json item : items.items()) {
      if (!each(item)) return;
    }
    if (whole || !page["meta"].booleanOr("hasMore", false)) return;
    cursor = page["meta"].textOr("nextCursor");
    // A service that gives the same mark again would keep us here for ever.
    if (cursor.empty() || !seen.insert(cursor).second || seen.size() > kPages) {
      throw Error(CSDK_UNAVAILABLE, "Blaxel's list does not come to an end").errorClass(CSDK_ERROR_PROTOCOL);
    }
  }
}

void destroySandbox(vendor::Session& session, const vendor::Api& control, std::string_view id) {
  if (id != "." && id != "..") control.send(session, control.remove("/sandboxes/" + vendor::pathSegment(id)), {404});
}

void extendSandbox(vendor::Session& session, const vendor::Api& control, const csdk_extend_args& args) {
  const JsonDocument before = askAbout(session, control, view(args.target.id));
  const std::int64_t nowMs = wallMs(session.call());
  vendor::SandboxResult result = resultOf(before.root(), nowMs);
  const std::int64_t wantedMs = nowMs + args.duration_ms;
  if (result.expiresMs == 0 || result.expiresMs >= wantedMs) return result.emit(session.call());  // never shorter
  // The time counts from creation. What Blaxel itself says is left is better than two clocks.
  const Json runtime = before["spec"]["runtime"];
  const std::int64_t ttl = ttlSeconds(runtime.textOr("ttl")), left = before.root().integerOr("expiresIn", 0);
  const std::int64_t age = ttl > 0 && left > 0 ? std::max<std::int64_t>(ttl - left, 0)
                                               : std::max<std::int64_t>((nowMs - result.createdMs) / 1000, 0);
  JsonValue body = JsonValue::of(before.root());
  body.at("spec").at("runtime").erase("expires").set(
      "ttl", std::to_string(age + vendor::ceilSeconds(args.duration_ms) + 1) + "s");
  const std::string path = "/sandboxes/" + vendor::pathSegment(view(args.target.id));
  vendor::Request request = control.withBody("PUT", path, body);
  request.retry = vendor::Retry::idempotent;  // the object is replaced by the same
  const Answer answer = control.send(session, request, {404});
  if (answer.status == 404) throw vendor::goneError(kTitle, view(args.target.id));
  resultOf(control.json(answer, "extend").root(), nowMs).emit(session.call());
}

std::string portUrl(vendor::Session& session, const vendor::Api& control, std::string_view id, unsigned port) {
  const std::string previews = "/sandboxes/" + vendor::pathSegment(id) + "/previews";
  const std::string name = "preview-port-" + std::to_string(port) + "-public";  // as other clients of Blaxel name it
  Answer answer = control.send(session, control.get(previews + "/" + name), {404});
  if (answer.status == 404) {
    JsonValue metadata = JsonValue::object(), spec = JsonValue::object(), body = JsonValue::object();
    metadata.set("name", name);
    spec.set("port", port).set("public", true);
    body.set("metadata", std::move(metadata)).set("spec", std::move(spec));
    answer = control.send(session, control.post(previews, body), {404, 409});
    if (answer.status == 404) throw vendor::goneError(kTitle, id);
    if (answer.status == 409) answer = control.send(session, control.get(previews + "/" + name));
  }
  return std::string(control.json(answer, "preview")["spec"].text("url"));
}

}  // namespace computesdk::blaxel
