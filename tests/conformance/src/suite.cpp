#include "suite.hpp"

#include <fnmatch.h>

#include <algorithm>
#include <filesystem>
#include <set>

namespace computesdk::conformance {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> texts(const Value* list) {
  std::vector<std::string> out;
  if (list == nullptr) return out;
  for (const Value& each : list->asArray()) out.push_back(each.asString());
  return out;
}

Case readCase(const Value& value, const std::string& file) {
  onlyKeys(value, {"id", "why", "needs", "faults", "quick", "limit_ms", "sandbox", "steps"}, file);
  Case out;
  out.id = value.at("id").asString();
  out.why = value.at("why").asString();
  out.needs = texts(value.find("needs"));
  out.faults = value.flag("faults");
  out.quick = value.flag("quick");
  out.limitMs = static_cast<int>(value.integer("limit_ms", out.limitMs));
  if (const Value* sandbox = value.find("sandbox")) out.sandbox = *sandbox;
  out.steps = value.at("steps");
  out.file = file;
  if (out.steps.asArray().empty()) throw Problem(file + ": " + out.id + " has no steps");
  return out;
}

Capability readCapability(const Value& value, const std::string& file) {
  onlyKeys(value, {"name", "title", "manifest", "refusal"}, file);
  Capability out;
  out.name = value.at("name").asString();
  out.title = value.at("title").asString();
  out.manifest = texts(value.find("manifest"));
  if (const Value* refusal = value.find("refusal")) out.refusal = *refusal;
  return out;
}

std::map<std::string, std::string> textMap(const Value* object) {
  std::map<std::string, std::string> out;
  if (object == nullptr) return out;
  for (const auto& [key, value] : object->asObject()) out[key] = value.asString();
  return out;
}

}  // namespace

Suite Suite::load(const std::string& folder) {
  Suite suite;
  std::vector<std::string> files;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (entry.path().extension() == ".json") files.push_back(entry.path());
  }
  if (files.empty()) throw Problem(folder + ": there are no cases");
  std::ranges::sort(files);
  for (const std::string& file : files) {
    const Value value = Value::readFile(file);
    onlyKeys(value, {"about", "cases", "capabilities"}, file);
    if (const Value* cases = value.find("cases")) {
      for (const Value& each : cases->asArray()) suite.cases.push_back(readCase(each, file));
    }
    if (const Value* capabilities = value.find("capabilities")) {
      for (const Value& each : capabilities->asArray()) suite.capabilities.push_back(readCapability(each, file));
    }
  }
  std::set<std::string> ids;
  for (const Case& each : suite.cases) {
    if (!ids.insert(each.id).second) throw Problem(each.file + ": two cases are called " + each.id);
    for (const std::string& name : each.needs) (void)suite.capability(name);
  }
  return suite;
}

const Capability& Suite::capability(const std::string& name) const {
  const auto found = std::ranges::find(capabilities, name, &Capability::name);
  if (found == capabilities.end()) throw Problem("nobody knows the capability " + name);
  return *found;
}

Target Target::load(const std::string& file) {
  const Value value = Value::readFile(file);
  onlyKeys(value,
           {"about", "provider", "environment", "pass_environment", "secrets", "simulator", "placements", "create",
            "operations", "connect_to", "limit_factor", "sweep", "deviations"},
           file);
  Target out;
  out.name = fs::path(file).stem();
  out.file = file;
  out.provider = value.at("provider").asString();
  out.environment = textMap(value.find("environment"));
  out.pass = texts(value.find("pass_environment"));
  out.secrets = texts(value.find("secrets"));
  out.simulator = value.text("simulator");
  out.placements = texts(&value.at("placements"));
  if (const Value* create = value.find("create")) out.create = *create;
  if (const Value* operations = value.find("operations")) out.operations = *operations;
  out.connectTo = value.text("connect_to");
  out.limitFactor = static_cast<int>(value.integer("limit_factor", 1));
  out.sweep = value.flag("sweep");
  for (const std::string& placement : out.placements) {
    if (placement != "in-process" && placement != "isolated")
      throw Problem(file + ": no placement is called " + placement);
  }
  if (const Value* deviations = value.find("deviations")) {
    for (const Value& each : deviations->asArray()) {
      onlyKeys(each, {"cases", "placement", "because"}, file);
      out.deviations.push_back({texts(&each.at("cases")), each.text("placement"), each.at("because").asString()});
    }
  }
  return out;
}

const Deviation* Target::deviation(const std::string& id, const std::string& placement) const {
  for (const Deviation& each : deviations) {
    const bool here = each.placement.empty() || each.placement == placement;
    if (here && std::ranges::any_of(each.cases, [&](const std::string& glob) { return globMatches(glob, id); }))
      return &each;
  }
  return nullptr;
}

bool globMatches(std::string_view pattern, std::string_view text) {
  return ::fnmatch(std::string(pattern).c_str(), std::string(text).c_str(), 0) == 0;
}

}  // namespace computesdk::conformance
