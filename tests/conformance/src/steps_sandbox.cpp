// Verbs about sandboxes as a whole: create, get, list, destroy, names, life, snapshots, templates.
#include "match.hpp"
#include "scope.hpp"

#include <map>

namespace computesdk::conformance {
namespace {

using std::chrono::milliseconds;

/// Options of a create as a case writes them, over those of the target.
CreateOptions createOptions(const Step& step) {
  Value merged = step.scope.world.target.create.isNull() ? Value(Value::Object{}) : step.scope.world.target.create;
  for (const auto& [key, value] : step.arguments.asObject()) merged.set(key, value);
  onlyKeys(
      merged,
      {"timeout_ms", "template", "metadata", "envs", "name", "namespace", "runtime", "directory", "image", "snapshot",
       "ports", "network", "cpu_milli", "memory_bytes", "isolation_none", "keep", "options", "create_timeout_ms"},
      "create");
  CreateOptions out;
  if (const Value* timeout = merged.find("timeout_ms")) out.timeout = milliseconds(timeout->asInt());
  if (const Value* timeout = merged.find("create_timeout_ms")) out.createTimeout = milliseconds(timeout->asInt());
  out.templateId = merged.text("template");
  out.metadata = stringMap(merged.find("metadata"));
  out.envs = stringMap(merged.find("envs"));
  out.name = merged.text("name");
  out.namespace_ = merged.text("namespace");
  out.runtime = merged.text("runtime");
  out.directory = merged.text("directory");
  out.image = merged.text("image");
  out.snapshotId = merged.text("snapshot");
  if (const Value* ports = merged.find("ports")) {
    for (const Value& port : ports->asArray()) out.ports.push_back(static_cast<std::uint16_t>(port.asInt()));
  }
  const std::string network = merged.text("network");
  out.network = network == "none"   ? NetworkMode::none
                : network == "full" ? NetworkMode::full
                                    : NetworkMode::providerDefault;
  out.cpuMilli = merged.integer("cpu_milli");
  out.memoryBytes = merged.integer("memory_bytes");
  out.isolationNone = merged.flag("isolation_none");
  out.keep = merged.flag("keep");
  out.options = optionMap(merged.find("options"));
  out.stop = step.stopper.token();
  return out;
}

/// Takes a sandbox into the scope and says what is known of it.
Value hold(const Step& step, Sandbox sandbox) {
  Value out = infoValue(sandbox.lastInfo());
  out.set("found", true).set("owned", sandbox.owned());
  step.scope.sandboxes[step.name("box")] = std::make_shared<Sandbox>(std::move(sandbox));
  return out;
}

Value notFound() {
  Value out;
  return out.set("found", false);
}

Outcome create(Step& step) {
  auto made = step.scope.world.compute.sandbox().create(nothrow, createOptions(step));
  if (!made) return std::move(made).error();
  return hold(step, std::move(*made));
}

Outcome get(Step& step) {
  onlyKeys(step.arguments, {"id"}, "get");
  auto found = step.scope.world.compute.sandbox().getById(nothrow, step.arguments.at("id").asString(),
                                                          {.stop = step.stopper.token()});
  if (!found) return std::move(found).error();
  if (!*found) return notFound();
  return hold(step, std::move(**found));
}

/// The same through a Compute that remembers nothing: as another machine with the same credentials sees it.
Outcome getAfresh(Step& step) {
  onlyKeys(step.arguments, {"id"}, "get_afresh");
  Compute fresh(step.scope.world.config(false));
  auto found = fresh.sandbox().getById(nothrow, step.arguments.at("id").asString(), {.stop = step.stopper.token()});
  if (!found) return std::move(found).error();
  if (!*found) return notFound();
  return hold(step, std::move(**found));
}

Outcome listSandboxes(Step& step) {
  onlyKeys(step.arguments, {"metadata", "limit"}, "list");
  ListOptions options;
  options.metadata = stringMap(step.arguments.find("metadata"));
  options.limit = static_cast<std::size_t>(step.arguments.integer("limit"));
  options.stop = step.stopper.token();
  auto all = step.scope.world.compute.sandbox().list(nothrow, options);
  if (!all) return std::move(all).error();
  Value ids(Value::Array{});
  Value sandboxes(Value::Array{});
  for (const SandboxInfo& info : *all) {
    ids.add(info.id);
    sandboxes.add(infoValue(info));
  }
  Value out;
  out.set("ids", std::move(ids)).set("sandboxes", std::move(sandboxes));
  return out;
}

Outcome info(Step& step) {
  auto now = step.sandbox().getInfo(nothrow, step.stopper.token());
  if (!now) return std::move(now).error();
  return infoValue(*now);
}

Outcome destroy(Step& step) {
  onlyKeys(step.arguments, {"id"}, "destroy");
  if (const Value* id = step.arguments.find("id"))
    return done(step.scope.world.compute.sandbox().destroy(nothrow, id->asString(), {.stop = step.stopper.token()}));
  return done(step.sandbox().destroy(nothrow, step.stopper.token()));
}

/// Lets go of the handle, as a program that ends does; an owned sandbox ends with it.
Outcome drop(Step& step) {
  step.scope.sandboxes.erase(step.whole.text("on", "box"));
  return Value(Value::Object{});
}

Outcome release(Step& step) {
  Value out;
  return out.set("id", step.sandbox().release());
}

Outcome findOrCreate(Step& step) {
  auto made = step.scope.world.compute.sandbox().findOrCreate(nothrow, createOptions(step));
  if (!made) return std::move(made).error();
  return hold(step, std::move(*made));
}

Outcome find(Step& step) {
  onlyKeys(step.arguments, {"name", "namespace"}, "find");
  FindOptions options;
  options.name = step.arguments.text("name");
  options.namespace_ = step.arguments.text("namespace");
  auto found = step.scope.world.compute.sandbox().find(nothrow, options);
  if (!found) return std::move(found).error();
  if (!*found) return notFound();
  return hold(step, std::move(**found));
}

Outcome reap(Step& step) {
  auto ended = step.scope.world.compute.sandbox().reap(nothrow);
  if (!ended) return std::move(ended).error();
  Value ids(Value::Array{});
  for (const std::string& id : *ended) ids.add(id);
  Value out;
  return out.set("ids", std::move(ids));
}

Outcome extend(Step& step) {
  onlyKeys(step.arguments, {"ms"}, "extend");
  auto longer =
      step.sandbox().extendTimeout(nothrow, milliseconds(step.arguments.at("ms").asInt()), step.stopper.token());
  if (!longer) return std::move(longer).error();
  return infoValue(*longer);
}

Outcome pause(Step& step) { return done(step.sandbox().pause(nothrow, step.stopper.token())); }
Outcome resume(Step& step) { return done(step.sandbox().resume(nothrow, step.stopper.token())); }

Value snapshotValue(const SnapshotInfo& snapshot) {
  Value out;
  return out.set("id", snapshot.id).set("name", snapshot.name).set("sandbox", snapshot.sandboxId);
}

Outcome snapshot(Step& step) {
  onlyKeys(step.arguments, {"name", "metadata"}, "snapshot");
  SnapshotOptions options;
  options.name = step.arguments.text("name");
  options.metadata = stringMap(step.arguments.find("metadata"));
  options.stop = step.stopper.token();
  auto made = step.sandbox().snapshot(nothrow, options);
  if (!made) return std::move(made).error();
  return snapshotValue(*made);
}

Outcome snapshots(Step& step) {
  onlyKeys(step.arguments, {"sandbox"}, "snapshots");
  World& world = step.scope.world;
  auto all = world.compute.provider(world.target.provider).snapshots(nothrow, step.arguments.text("sandbox"));
  if (!all) return std::move(all).error();
  Value list(Value::Array{});
  for (const SnapshotInfo& each : *all) list.add(snapshotValue(each));
  Value out;
  return out.set("snapshots", std::move(list));
}

Outcome removeSnapshot(Step& step) {
  World& world = step.scope.world;
  return done(
      world.compute.provider(world.target.provider).removeSnapshot(nothrow, step.arguments.at("id").asString()));
}

Outcome templates(Step& step) {
  World& world = step.scope.world;
  auto all = world.compute.provider(world.target.provider).templates(nothrow);
  if (!all) return std::move(all).error();
  Value list(Value::Array{});
  for (const TemplateInfo& each : *all) {
    Value one;
    list.add(one.set("id", each.id).set("name", each.name));
  }
  Value out;
  return out.set("templates", std::move(list));
}

}  // namespace

Verb sandboxVerb(std::string_view name) {
  static const std::map<std::string_view, Verb> kVerbs = {
      {"create", create},
      {"get", get},
      {"get_afresh", getAfresh},
      {"list", listSandboxes},
      {"info", info},
      {"destroy", destroy},
      {"drop", drop},
      {"release", release},
      {"find_or_create", findOrCreate},
      {"find", find},
      {"reap", reap},
      {"extend", extend},
      {"pause", pause},
      {"resume", resume},
      {"snapshot", snapshot},
      {"snapshots", snapshots},
      {"remove_snapshot", removeSnapshot},
      {"templates", templates},
  };
  const auto found = kVerbs.find(name);
  return found == kVerbs.end() ? nullptr : found->second;
}

}  // namespace computesdk::conformance
