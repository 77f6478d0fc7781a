#include "servers/setup.hpp"

#include <future>
#include <memory>
#include <utility>

#include "core/answer.hpp"
#include "core/context.hpp"
#include "core/rooms.hpp"
#include "servers/servers.hpp"

namespace computesdk::sandboxd {
namespace {

/// Does `task` on the loop's thread and waits for it. A loop that has stopped drops it: then that is the failure.
Result<void> onLoopThread(Context& context, std::function<Result<void>()> task) {
  const auto done = std::make_shared<std::promise<Result<void>>>();
  auto future = done->get_future();
  context.loop().post([done, task = std::move(task)] { done->set_value(task()); });
  if (future.wait_for(std::chrono::seconds(10)) == std::future_status::ready) return future.get();
  return conflicting("the sandbox is being closed");
}

Result<void> setUpServer(Context& context, ServerSpec spec) {
  const auto servers = context.find<Servers>();
  const std::string slug = spec.slug;
  if (auto reserved = onLoopThread(context, [=] { return servers->reserve(slug); }); !reserved) return reserved;
  auto prepared = prepareServer(context, spec);
  return onLoopThread(context, [servers, spec = std::move(spec), prepared = std::move(prepared)]() -> Result<void> {
    if (!prepared) {
      servers->release(spec.slug);
      return prepared;
    }
    const auto added = servers->add(spec, spec.autostart);
    if (added) return {};
    servers->release(spec.slug);
    return added.error();
  });
}

void noteSetup(Context& context, const std::shared_ptr<SetupState>& state, bool pending, std::string failure) {
  context.loop().post([state, pending, failure = std::move(failure)] {
    state->pending = pending;
    if (state->failure.empty()) state->failure = failure;
  });
}

}  // namespace

Result<SetupPlan> setupPlanOf(const Context& context, const rapidjson::Value& object) {
  SetupPlan plan;
  if (!object.IsObject()) return invalid("a setup must be an object");
  const auto each = [&](const char* name, const auto& take) -> Result<void> {
    const auto* field = fieldOf(object, name);
    if (field == nullptr || field->IsNull()) return {};
    if (!field->IsArray()) return invalid(std::string(name) + " must be an array");
    for (const auto& value : field->GetArray()) {
      if (!value.IsObject()) return invalid(std::string(name) + " must be an array of objects");
      if (auto taken = take(value); !taken) return taken;
    }
    return {};
  };
  const auto overlays = each("overlays", [&](const rapidjson::Value& value) -> Result<void> {
    auto options = overlayOptionsOf(value);
    if (!options) return options.error();
    plan.overlays.push_back(std::move(*options));
    return {};
  });
  if (!overlays) return overlays.error();
  const auto servers = each("servers", [&](const rapidjson::Value& value) -> Result<void> {
    auto spec = serverSpecOf(context, value);
    if (!spec) return spec.error();
    plan.servers.push_back(std::move(*spec));
    return {};
  });
  if (!servers) return servers.error();
  return plan;
}

Result<void> applyPlan(Context& context, SetupPlan plan, const std::function<void(const ErrorInfo&)>& goOn) {
  const auto overlays = context.find<Overlays>();
  for (const OverlayOptions& options : plan.overlays) {
    if (auto made = overlays->create(options); !made) {
      if (!goOn) return made.error();
      goOn(made.error());
    }
  }
  for (ServerSpec& spec : plan.servers) {
    if (auto started = setUpServer(context, std::move(spec)); !started) {
      if (!goOn) return started;
      goOn(started.error());
    }
  }
  return {};
}

void applySetup(Context& context) {
  const std::string& text = context.config().setup;
  const auto state = context.find<SetupState>();
  if (text.empty() || !state) return;
  const auto document = parseJson(text);
  auto plan = document ? setupPlanOf(context, *document) : Result<SetupPlan>(document.error());
  if (!plan) return noteSetup(context, state, false, "COMPUTESDK_SETUP_B64: " + plan.error().firstLine());
  noteSetup(context, state, true, {});
  context.workers().run([&context, state, plan = std::move(*plan)]() mutable {
    const auto applied = applyPlan(context, std::move(plan),
                                   [&](const ErrorInfo& error) { noteSetup(context, state, true, error.firstLine()); });
    noteSetup(context, state, false, applied ? std::string() : applied.error().firstLine());
  });
}

std::string serverSummaries(Context& context) {
  std::vector<std::string> all;
  for (const auto& server : context.find<Servers>()->all()) all.push_back(server->summary());
  return jsonArray(all);
}

std::string overlaySummaries(Context& context) {
  std::vector<std::string> all;
  if (const auto overlays = context.find<Overlays>()) {
    for (const OverlayInfo& overlay : overlays->list()) {
      all.push_back(JsonObject()
                        .text("id", overlay.id)
                        .text("source", overlay.options.source)
                        .text("target", overlay.options.target)
                        .text("copy_status", overlay.statusText())
                        .str());
    }
  }
  return jsonArray(all);
}

std::string readyJson(Context& context) {
  const auto state = context.find<SetupState>();
  bool ready = !state->pending && state->failure.empty();
  bool healthy = true;
  for (const auto& server : context.find<Servers>()->all()) {
    if (server->spec().autostart && !server->reachable()) ready = false;
    if (server->spec().health && !server->healthy()) healthy = false;
  }
  if (const auto overlays = context.find<Overlays>()) {
    for (const OverlayInfo& overlay : overlays->list()) {
      if (overlay.status != OverlayStatus::kComplete) ready = false;
    }
  }
  JsonObject object;
  object.boolean("ready", ready).boolean("healthy", healthy);
  object.raw("servers", serverSummaries(context)).raw("overlays", overlaySummaries(context));
  return object.textIfAny("setup_error", state->failure).str();
}

}  // namespace computesdk::sandboxd
