#include "world.hpp"

#include "http.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

namespace computesdk::conformance {
namespace {

namespace fs = std::filesystem;

// How long a program of ours may take to start, on a machine under load.
constexpr std::chrono::seconds kStartTime{30};

std::string findProgram(const std::string& name, const Places& places) {
  for (const std::string& folder : places.programs) {
    const fs::path path = fs::path(folder) / name;
    if (::access(path.c_str(), X_OK) == 0) return path;
  }
  return name;
}

}  // namespace

Simulator::Simulator(const std::string& program, const Places& places) {
  Child::Options options;
  options.argv = {findProgram(program, places), "--port", "0"};
  options.environment = ownEnvironment();
  options.keepInput = true;
  child_ = std::make_unique<Child>(options);
  const auto line = child_->readLine(kStartTime);
  constexpr std::string_view kSays = "listening on ";
  if (!line || !line->starts_with(kSays)) {
    child_.reset();
    throw Problem(program + " does not say where it listens");
  }
  url_ = line->substr(kSays.size());
}

Simulator::~Simulator() {
  if (!child_) return;
  child_->closeInput();
  (void)child_->wait(std::chrono::seconds(5));
}

Value Simulator::control(const std::string& method, const std::string& path, const Value& body) const {
  std::string why;
  const std::string text = body.isNull() ? std::string() : body.print();
  const auto answer = httpExchange(method, url_ + path, text, {}, 10000, why);
  if (!answer) throw Problem("the simulator does not answer " + method + " " + path + ": " + why);
  if (answer->status / 100 != 2)
    throw Problem("the simulator refuses " + method + " " + path + " " + text + ": " + answer->body.substr(0, 200));
  return answer->body.empty() ? Value() : Value::parse(answer->body, path);
}

World::World(const Target& wanted, const std::string& placement, const Places& places, const fs::path& folder,
             const std::string& simulatorUrl)
    : target(wanted), scratch(folder) {
  if (!simulatorUrl.empty()) {
    simulator = std::make_unique<Simulator>(simulatorUrl);
  } else if (!target.simulator.empty()) {
    simulator = std::make_unique<Simulator>(target.simulator, places);
  }
  for (const auto& [name, value] : target.environment) variables_[name] = expand(value);
  for (const std::string& name : target.secrets) {
    if (variables_.contains(name)) secrets.push_back(variables_[name]);
  }
  choosePlugin(placement, places);
  compute = Compute(config());
  for (const ProviderInfo& each : compute.providers()) {
    if (each.name == target.provider) declared = each.capabilities;
  }
  capabilities = compute.provider(target.provider).capabilities();
  if (capabilities.placement != placement)
    throw Problem(target.provider + " runs " + capabilities.placement + ", not " + placement);
}

ComputeConfig World::config(bool memory) const {
  ComputeConfig out;
  out.provider = target.provider;
  out.providerPaths = folders_;
  out.stateDirectory = scratch / (memory ? "state" : "empty-state");
  out.environment = [variables = variables_](std::string_view name) -> std::optional<std::string> {
    const auto found = variables.find(std::string(name));
    if (found != variables.end()) return found->second;
    const char* own = std::getenv(std::string(name).c_str());
    return own != nullptr ? std::optional<std::string>(own) : std::nullopt;
  };
  return out;
}

void World::choosePlugin(const std::string& placement, const Places& places) {
  const fs::path folder = scratch / "plugin";
  folders_ = {folder};
  if (fs::exists(folder)) return;  // the process that this one joins has made it
  ComputeConfig looking;
  for (const std::string& each : places.plugins) looking.providerPaths.emplace_back(each);
  const auto all = Compute(looking).providers();
  const auto found = std::ranges::find(all, target.provider, &ProviderInfo::name);
  if (found == all.end()) throw Problem("there is no provider " + target.provider + " to test (--plugins DIR)");
  const auto candidates = Compute(looking).detect().candidates;
  const auto candidate = std::ranges::find(candidates, target.provider, &ProviderCandidate::name);
  const bool trusted = candidate != candidates.end() && candidate->trusted;
  if (trusted == (placement == "in-process")) {
    folders_ = looking.providerPaths;
    return;
  }
  fs::create_directory(folder);
  fs::copy_file(found->manifestPath, folder / fs::path(found->manifestPath).filename());
  fs::copy_file(found->libraryPath, folder / fs::path(found->libraryPath).filename());
  for (const auto& entry : fs::directory_iterator(folder)) ::chmod(entry.path().c_str(), 0755);
  ::chmod(folder.c_str(), 0755);
  if (placement == "in-process") Compute(config()).trustProvider(folder / (target.provider + ".provider.json"));
}

std::string World::expand(const std::string& text) const {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t begin = text.find("${", at);
    const std::size_t end = begin == std::string::npos ? begin : text.find('}', begin);
    out += text.substr(at, begin - at);
    if (end == std::string::npos) break;
    const std::string name = text.substr(begin + 2, end - begin - 2);
    if (name == "url" && simulator) {
      out += simulator->url();
    } else if (name == "scratch") {
      out += scratch;
    } else if (name.starts_with("env.")) {
      const char* value = std::getenv(name.substr(4).c_str());
      if (value == nullptr) throw Problem(target.file + ": the variable " + name.substr(4) + " is not set");
      out += value;
    } else {
      throw Problem(target.file + ": nobody knows ${" + name + "}");
    }
    at = end + 1;
  }
  return out;
}

Environment caseEnvironment(const Target& target, const fs::path& scratch) {
  const Environment own = ownEnvironment();
  Environment out;
  const auto pass = [&](const std::string& name) {
    if (const auto found = own.find(name); found != own.end()) out[name] = found->second;
  };
  for (const char* name :
       {"PATH", "LANG", "TMPDIR", "LD_LIBRARY_PATH", "ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS", "LSAN_OPTIONS"})
    pass(name);
  for (const std::string& name : target.pass) pass(name);
  for (const auto& [name, value] : target.environment) {
    for (std::size_t at = value.find("${env."); at != std::string::npos; at = value.find("${env.", at + 1))
      pass(value.substr(at + 6, value.find('}', at) - at - 6));
  }
  const auto folder = [&](const char* variable, const char* name) {
    fs::create_directories(scratch / name);
    ::chmod((scratch / name).c_str(), 0700);
    out[variable] = scratch / name;
  };
  folder("HOME", "home");
  folder("XDG_CONFIG_HOME", "config");
  folder("XDG_DATA_HOME", "share");
  folder("XDG_STATE_HOME", "state");
  folder("XDG_RUNTIME_DIR", "run");
  return out;
}

}  // namespace computesdk::conformance
