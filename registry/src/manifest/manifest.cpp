#include <computesdk/registry/manifest.hpp>

#include "manifest/schema.hpp"
#include "values/fd.hpp"
#include "values/json.hpp"
#include "values/text.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace computesdk::registry {
namespace {

using rapidjson::Value;

constexpr std::string_view kSuffix = ".provider.json";

const Schema& manifestSchema() {
  static const Schema schema = Schema::ofOurs(kManifestSchemaText);
  return schema;
}

ErrorInfo bad(const std::filesystem::path& file, std::string why, std::string fix) {
  ErrorInfo error;
  error.code = ErrorCode::manifest;
  error.what = "cannot use the manifest " + (file.empty() ? std::string("given") : printable(file.string(), 4096));
  error.why = std::move(why);
  error.fix = std::move(fix);
  return error;
}

const Value* find(const Value& object, const char* key) {
  auto found = object.FindMember(key);
  return found == object.MemberEnd() ? nullptr : &found->value;
}

std::string text(const Value& object, const char* key, std::string_view otherwise = {}) {
  const Value* value = find(object, key);
  return std::string(value != nullptr ? jsonView(*value) : otherwise);
}

bool flag(const Value& object, const char* key) {
  const Value* value = find(object, key);
  return value != nullptr && value->GetBool();
}

/// A string, or an array of them, or nothing.
std::vector<std::string> texts(const Value& object, const char* key) {
  std::vector<std::string> out;
  const Value* value = find(object, key);
  if (value == nullptr) return out;
  if (value->IsString()) {
    out.emplace_back(jsonView(*value));
  } else {
    for (const auto& item : value->GetArray()) out.emplace_back(jsonView(item));
  }
  return out;
}

StringMap textMap(const Value& object, const char* key) {
  StringMap out;
  if (const Value* value = find(object, key)) {
    for (const auto& [name, item] : value->GetObject()) out.emplace(jsonView(name), jsonView(item));
  }
  return out;
}

/// "library" and "sha256": one text for all platforms, or one a platform.
std::string forPlatform(const Value& object, const char* key) {
  const Value* value = find(object, key);
  if (value == nullptr) return {};
  if (value->IsString()) return std::string(jsonView(*value));
  return text(*value, std::string(platformName()).c_str());
}

template <typename Enum>
Enum choice(const Value& object, const char* key, Enum otherwise, std::initializer_list<Enum> all) {
  std::string wanted = text(object, key);
  for (Enum one : all) {
    if (wanted == toString(one)) return one;
  }
  return otherwise;
}

DetectRule detectRule(const Value& root) {
  DetectRule rule;
  const Value* detect = find(root, "detect");
  if (detect == nullptr) return rule;
  if (const Value* groups = find(*detect, "any_of")) {
    for (const auto& group : groups->GetArray()) rule.anyOf.push_back(texts(group, "all_of"));
  }
  rule.noneOf = texts(*detect, "none_of");
  rule.always = flag(*detect, "always");
  return rule;
}

std::vector<ConfigEntry> configEntries(const Value& root) {
  std::vector<ConfigEntry> out;
  const Value* config = find(root, "config");
  if (config == nullptr) return out;
  for (const auto& item : config->GetArray()) {
    ConfigEntry entry;
    entry.key = text(item, "key");
    entry.env = texts(item, "env");
    entry.secret = flag(item, "secret");
    entry.required = flag(item, "required");
    entry.prefix = text(item, "prefix");
    entry.prefixStrict = flag(item, "prefix_strict");
    entry.lines = flag(item, "lines");
    entry.help = text(item, "help");
    entry.defaultValue = text(item, "default");
    entry.jwtClaims = textMap(item, "jwt_claims");
    entry.unlessGiven = texts(item, "unless_given");
    out.push_back(std::move(entry));
  }
  return out;
}

void fill(Manifest& manifest, const Value& root) {
  manifest.name = text(root, "name");
  manifest.version = text(root, "version");
  manifest.title = text(root, "title", manifest.name);
  manifest.vendor = text(root, "vendor");
  manifest.license = text(root, "license");
  manifest.homepage = text(root, "homepage");
  manifest.description = text(root, "description");
  const Value& abi = root["abi"];
  manifest.abiMajor = abi["major"].GetInt();
  if (const Value* minor = find(abi, "min_minor")) manifest.abiMinMinor = minor->GetInt();
  manifest.placement = choice(root, "placement", PlacementRule::any,
                              {PlacementRule::isolated, PlacementRule::any, PlacementRule::inProcess});
  manifest.inlineCalls = flag(root, "inline");
  manifest.threading = choice(root, "threading", Threading::blocking, {Threading::blocking, Threading::async});
  manifest.serialize =
      choice(root, "serialize", Serialize::none, {Serialize::none, Serialize::provider, Serialize::sandbox});
  manifest.secrets = choice(root, "secrets", Secrets::host, {Secrets::host, Secrets::plugin});
  manifest.detect = detectRule(root);
  if (const Value* priority = find(root, "priority")) manifest.priority = priority->GetInt();
  manifest.config = configEntries(root);
  manifest.capabilities = texts(root, "capabilities");
  manifest.capabilityNotes = textMap(root, "capability_notes");
  if (const Value* egress = find(root, "egress")) {
    for (const auto& item : egress->GetArray()) manifest.egress.push_back({text(item, "origin"), flag(item, "auth")});
  }
  if (const Value* schema = find(root, "options_schema")) manifest.optionsSchema = jsonText(*schema);
  if (const Value* setup = find(root, "setup")) {
    manifest.setupSteps = texts(*setup, "steps");
    manifest.setupUrl = text(*setup, "url");
  }
  manifest.sha256 = forPlatform(root, "sha256");
  if (auto library = forPlatform(root, "library"); !library.empty()) {
    manifest.library = manifest.file.empty() ? std::filesystem::path(library) : manifest.file.parent_path() / library;
  }
}

/// An origin is scheme://host[:port], `*.` at the start of the host, `${config.KEY}` of a declared key anywhere.
std::string egressProblem(const Manifest& manifest, const std::string& origin) {
  std::string rest;
  for (std::size_t i = 0; i < origin.size();) {
    if (origin.compare(i, 2, "${") != 0) {
      rest += origin[i++];
      continue;
    }
    auto end = origin.find('}', i);
    auto name = end == std::string::npos ? std::string{} : origin.substr(i + 2, end - i - 2);
    if (!name.starts_with("config.") || manifest.findConfig(name.substr(7)) == nullptr) {
      return "names ${" + printable(name) + "}, which is no key of config";
    }
    rest += "x";
    i = end + 1;
  }
  if (rest == "x") return {};
  auto scheme = rest.find("://");
  if (scheme == std::string::npos) return "has no scheme such as https://";
  std::string host = rest.substr(scheme + 3);
  if (host.starts_with("*.")) host.erase(0, 2);
  if (host.empty() || host.find_first_of("/*?#@ ") != std::string::npos) {
    return "must be scheme://host[:port] with nothing after it, and '*.' only at the start of the host";
  }
  return {};
}

/// What the schema cannot say.
std::optional<SchemaProblem> meaningProblem(const Manifest& manifest, const Value& root) {
  for (std::size_t i = 0; i < manifest.config.size(); ++i) {
    const ConfigEntry& entry = manifest.config[i];
    std::string path = "config[" + std::to_string(i) + "]";
    if (manifest.findConfig(entry.key) != &entry) {
      return SchemaProblem{path + ".key", "stands twice: " + entry.key, "keep one of the two"};
    }
    if (entry.prefixStrict && entry.prefix.empty()) {
      return SchemaProblem{path + ".prefix_strict", "needs a prefix", "add \"prefix\", or remove prefix_strict"};
    }
    for (const auto& [key, claim] : entry.jwtClaims) {
      if (manifest.findConfig(key) == nullptr) {
        return SchemaProblem{path + ".jwt_claims", "names " + printable(key) + ", which is no key of config",
                             "add an entry with that key"};
      }
    }
    for (const std::string& key : entry.unlessGiven) {
      if (manifest.findConfig(key) == nullptr) {
        return SchemaProblem{path + ".unless_given", "names " + printable(key) + ", which is no key of config",
                             "add an entry with that key"};
      }
    }
  }
  for (std::size_t i = 0; i < manifest.egress.size(); ++i) {
    auto why = egressProblem(manifest, manifest.egress[i].origin);
    if (!why.empty()) {
      return SchemaProblem{"egress[" + std::to_string(i) + "].origin", why, "for example \"https://api.example.com\""};
    }
  }
  if (manifest.detect.always && !manifest.detect.anyOf.empty()) {
    return SchemaProblem{"detect.always", "excludes detect.any_of", "keep one of the two"};
  }
  if (manifest.inlineCalls && manifest.placement == PlacementRule::isolated) {
    return SchemaProblem{"inline", "cannot be met by an isolated plug-in", "remove one of the two"};
  }
  for (const auto& [key, value] : root.GetObject()) {
    if (jsonView(key) != "options_schema" && jsonDepth(value) > kManifestMaxDepth - 1) {
      return SchemaProblem{printable(jsonView(key)), "is nested deeper than 8 levels", "flatten it"};
    }
  }
  return std::nullopt;
}

std::optional<ErrorInfo> nameProblem(const Manifest& manifest) {
  if (manifest.file.empty()) return std::nullopt;
  std::string fileName = manifest.file.filename().string();
  if (fileName == manifest.name + std::string(kSuffix)) return std::nullopt;
  return bad(manifest.file, "its name is \"" + manifest.name + "\", but the file is called " + printable(fileName),
             "rename the file to " + manifest.name + std::string(kSuffix));
}

/// A version that this build does not know, before anything else is judged by rules that it may have changed.
std::optional<ErrorInfo> versionProblem(const Value& root, const std::filesystem::path& file) {
  if (!root.IsObject()) return bad(file, "it is not a JSON object", "begin it with { and end it with }");
  const Value* version = find(root, "manifest_version");
  if (version == nullptr || !version->IsInt64() || version->GetInt64() <= kManifestVersion) return std::nullopt;
  return bad(file,
             "manifest_version is " + std::to_string(version->GetInt64()) + "; this build knows " +
                 std::to_string(kManifestVersion),
             "update ComputeSDK, or install an older version of this provider");
}

}  // namespace

std::string_view toString(PlacementRule rule) noexcept {
  switch (rule) {
    case PlacementRule::isolated: return "isolated";
    case PlacementRule::any: return "any";
    case PlacementRule::inProcess: return "in-process";
  }
  return "any";
}

std::string_view toString(Threading threading) noexcept { return threading == Threading::async ? "async" : "blocking"; }

std::string_view toString(Serialize serialize) noexcept {
  switch (serialize) {
    case Serialize::none: return "none";
    case Serialize::provider: return "provider";
    case Serialize::sandbox: return "sandbox";
  }
  return "none";
}

std::string_view toString(Secrets secrets) noexcept { return secrets == Secrets::plugin ? "plugin" : "host"; }

std::string_view platformName() noexcept {
#if defined(__x86_64__)
  return "linux-x86_64-gnu";
#elif defined(__aarch64__)
  return "linux-aarch64-gnu";
#else
#error "ComputeSDK runs on x86-64 and arm64"
#endif
}

std::string camelCase(std::string_view snakeCase) {
  std::string out;
  bool upper = false;
  for (char c : snakeCase) {
    if (c == '_') {
      upper = !out.empty();
      continue;
    }
    out += upper && c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    upper = false;
  }
  return out;
}

const ConfigEntry* Manifest::findConfig(std::string_view key) const noexcept {
  for (const ConfigEntry& entry : config) {
    if (entry.key == key || camelCase(entry.key) == key) return &entry;
  }
  return nullptr;
}

bool Manifest::hasCapability(std::string_view capability) const noexcept {
  return std::find(capabilities.begin(), capabilities.end(), capability) != capabilities.end();
}

Result<std::shared_ptr<const Manifest>> parseManifest(std::string_view text, const std::filesystem::path& file) {
  // The schema of the options sits one level below the root.
  auto document = parseJson(text, {.maxBytes = kManifestMaxBytes, .maxDepth = kOptionsSchemaMaxDepth});
  if (!document) return bad(file, document.error().why, "correct the file; docs: the manifest page");
  const Value& root = *document;
  if (auto problem = versionProblem(root, file)) return *problem;
  const Schema& schema = manifestSchema();
  if (auto problem = schema.check(root)) {
    return bad(
        file, (problem->key.empty() ? std::string("it") : problem->key) + " " + problem->problem,
        problem->fix.empty() ? "correct " + (problem->key.empty() ? std::string("it") : problem->key) : problem->fix);
  }
  auto manifest = std::make_shared<Manifest>();
  manifest->file = file;
  fill(*manifest, root);
  manifest->text = text;
  if (auto problem = nameProblem(*manifest)) return *problem;
  if (auto problem = meaningProblem(*manifest, root)) {
    return bad(file, problem->key + " " + problem->problem, problem->fix);
  }
  for (const std::string& key : schema.unknownKeys(root)) {
    manifest->warnings.push_back("unknown key " + key + " (ignored; keys of your own begin with x-)");
  }
  return std::shared_ptr<const Manifest>(std::move(manifest));
}

Result<std::shared_ptr<const Manifest>> readManifest(const std::filesystem::path& file) {
  UniqueFd fd = openForReading(file);
  if (!fd) return bad(file, std::strerror(errno), "check that the file exists and may be read");
  auto text = readWhole(fd.get(), kManifestMaxBytes);
  if (!text) return bad(file, text.error().why, "check the file");
  return parseManifest(*text, file);
}

}  // namespace computesdk::registry
