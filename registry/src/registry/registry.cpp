#include <computesdk/registry/registry.hpp>

#include "detect/config.hpp"
#include "detect/select.hpp"
#include "net/proxy.hpp"
#include "registry/library_check.hpp"
#include "search/search.hpp"
#include "trust/sha256.hpp"
#include "values/text.hpp"

#include <algorithm>
#include <set>
#include <utility>

namespace computesdk::registry {
namespace {

constexpr int kWarning = 3;

/// One candidate that could not be loaded.
struct Failure {
  std::filesystem::path file;
  ErrorInfo error;
};

std::filesystem::path trustPath(const Environment& environment) {
  if (environment.secure) return {};
  auto config = environment.get ? environment.get("XDG_CONFIG_HOME") : std::nullopt;
  if (config && config->starts_with('/')) return std::filesystem::path(*config) / "computesdk/trust.json";
  return environment.home.empty() ? std::filesystem::path{} : environment.home / ".config/computesdk/trust.json";
}

/// One error out of every candidate's own.
ErrorInfo combine(const std::string& name, std::vector<Failure> failures) {
  ErrorInfo out;
  if (failures.size() == 1) {
    out = std::move(failures.front().error);
    if (!out.why.starts_with(failures.front().file.string())) out.why = failures.front().file.string() + ": " + out.why;
  } else {
    out.code = ErrorCode::pluginLoad;
    out.why = std::to_string(failures.size()) + " candidates, none usable";
    for (const Failure& failure : failures) {
      out.why += "\n" + failure.file.string() + "   " + failure.error.why;
      if (!failure.error.fix.empty()) out.why += "  → " + failure.error.fix.substr(0, failure.error.fix.find('\n'));
    }
    out.fix = "computesdk provider detect shows every provider and its state";
  }
  out.what = "cannot load provider '" + name + "'";
  out.provider = name;
  return out;
}

class RegistryImpl final : public Registry {
 public:
  RegistryImpl(RegistryOptions options, Policy policy)
      : options_(std::move(options)),
        policy_(std::move(policy)),
        search_(search(options_)),
        secretNames_(collectSecretNames()),
        variables_(options_, secretNames_),
        trust_(trustPath(options_.environment), options_.environment.user) {
    for (const std::string& warning : search_.warnings) log({}, warning);
    for (const Folder& folder : search_.folders) {
      const auto& shown = folder.shown;
      bool plain = shown.ignored == "does not exist" || shown.ignored == "is searched already";
      if (shown.ignored.empty() || (plain && folder.origin != Origin::environment)) continue;
      log({}, "not searched: " + shown.path.string() + " (" + shown.origin + "): " + shown.ignored);
    }
    for (const Found& found : search_.found) {
      if (found.problem) log(found.name, found.problem->firstLine());
    }
  }

  [[nodiscard]] std::vector<SearchFolder> searchPath() const override {
    std::vector<SearchFolder> out;
    for (const Folder& folder : search_.folders) out.push_back(folder.shown);
    return out;
  }

  [[nodiscard]] std::vector<std::shared_ptr<const Manifest>> manifests() const override {
    std::vector<std::shared_ptr<const Manifest>> out;
    for (const Found& found : search_.found) {
      if (found.manifest && !found.shadowed) out.push_back(found.manifest);
    }
    return out;
  }

  [[nodiscard]] std::shared_ptr<const Manifest> manifest(std::string_view name) const override {
    for (const Found& found : search_.found) {
      if (found.manifest && !found.shadowed && found.name == name) return found.manifest;
    }
    return nullptr;
  }

  [[nodiscard]] Detection detect(std::optional<std::string_view> explicitName) const override {
    Detection out = selectProvider(input(), explicitName);
    auto trusted = trust_.read();
    if (!trusted) out.warnings.push_back(trusted.error().firstLine());
    for (Candidate& candidate : out.candidates) {
      auto found = std::find_if(search_.found.begin(), search_.found.end(),
                                [&](const Found& one) { return one.manifest && one.file == candidate.manifestPath; });
      if (found == search_.found.end()) continue;
      // Which hash the file has is looked at when it is loaded, not here: detection opens no library.
      candidate.trusted = found->manifest->placement != PlacementRule::isolated &&
                          (found->ofProduct ||
                           (trusted && std::any_of(trusted->begin(), trusted->end(), [&](const TrustedLibrary& one) {
                              return one.file == found->manifest->library;
                            })));
    }
    return out;
  }

  Result<std::shared_ptr<Provider>> openProvider(std::string_view name, const OpenOptions& given) override;
  Result<void> trust(const std::filesystem::path& file) override;

 private:
  [[nodiscard]] DetectInput input() const { return {options_, policy_, search_, variables_}; }

  [[nodiscard]] std::set<std::string, std::less<>> collectSecretNames() const {
    std::set<std::string, std::less<>> out;
    for (const Found& found : search_.found) {
      if (!found.manifest) continue;
      for (const ConfigEntry& entry : found.manifest->config) {
        if (entry.secret) out.insert(entry.env.begin(), entry.env.end());
      }
    }
    return out;
  }

  void log(const std::string& provider, std::string message) const {
    if (options_.log) options_.log({kWarning, provider, std::move(message)});
  }

  Result<std::shared_ptr<Provider>> openOne(const Found& found, const OpenOptions& given);
  Result<std::shared_ptr<Provider>> place(const Found& found, const CheckedLibrary& library,
                                          const ResolvedConfig& config);

  RegistryOptions options_;
  Policy policy_;
  SearchResult search_;
  std::set<std::string, std::less<>> secretNames_;
  Variables variables_;
  TrustFile trust_;
};

Result<std::shared_ptr<Provider>> RegistryImpl::place(const Found& found, const CheckedLibrary& library,
                                                      const ResolvedConfig& config) {
  const Manifest& manifest = *found.manifest;
  std::vector<TrustedLibrary> trusted;
  if (!library.ofProduct) {
    auto list = trust_.read();
    if (list) {
      trusted = std::move(*list);
    } else {
      log(found.name, list.error().firstLine());
    }
  }
  auto where = choosePlace(manifest, library, trusted);
  if (!where) return std::move(where).error();
  HostHooks hooks;
  hooks.log = options_.log;
  hooks.pluginHost = options_.pluginHost;
  hooks.network = net::networkSettings(options_.environment);
  if (*where == Place::isolated) return openIsolated(found.manifest, library.file(), config, std::move(hooks));
  if (!library.ofProduct) {
    // A library that crashes while it is loaded must not take this process along, trusted or not.
    if (auto probed = probeLibrary(manifest, library.file(), hooks); !probed) return std::move(probed).error();
  }
  auto plugin = loadInProcess(manifest, library.file());
  if (!plugin) return std::move(plugin).error();
  return openInProcess(**plugin, found.manifest, config, std::move(hooks), true);
}

Result<std::shared_ptr<Provider>> RegistryImpl::openOne(const Found& found, const OpenOptions& given) {
  std::vector<std::string> warnings;
  auto config = resolveConfig(*found.manifest, given.config, variables_, search_, warnings);
  if (!config) return std::move(config).error();
  for (const std::string& warning : warnings) log(found.name, warning);
  auto library = checkLibraryFile(found, ownershipRule(options_, found.origin), policy_);
  if (!library) return std::move(library).error();
  if (library->report.foreignCount > 0) {
    log(found.name, library->path.string() + " exports " + std::to_string(library->report.foreignCount) +
                        " symbols beside its entry: " + join(library->report.foreignExports, ", "));
  }
  return place(found, *library, *config);
}

Result<std::shared_ptr<Provider>> RegistryImpl::openProvider(std::string_view name, const OpenOptions& given) {
  auto all = evaluateAll(input());
  std::string wanted = lowerCase(name);
  auto known = std::find_if(all.begin(), all.end(), [&](const Evaluation& one) { return one.name() == wanted; });
  if (known == all.end() || !known->denied.empty()) return unusableName(input(), all, name);

  std::vector<Failure> failures;
  for (const Found& found : search_.found) {
    if (found.name != wanted) continue;
    if (found.problem) {
      failures.push_back({found.file, *found.problem});
      continue;
    }
    if (!found.unusable.empty()) {
      ErrorInfo error;
      error.code = ErrorCode::pluginLoad;
      error.why = found.unusable;
      error.fix = found.unusableFix;
      failures.push_back({found.manifest->library.empty() ? found.file : found.manifest->library, std::move(error)});
      continue;
    }
    auto provider = openOne(found, given);
    if (provider) {
      for (const Failure& failure : failures) log(wanted, failure.file.string() + ": " + failure.error.why);
      return provider;
    }
    ErrorCode code = provider.error().code;
    bool ofTheFile = code == ErrorCode::pluginLoad || code == ErrorCode::pluginUntrusted || code == ErrorCode::policy;
    if (!ofTheFile) return provider;
    failures.push_back({found.manifest->library, std::move(provider).error()});
  }
  return combine(wanted, std::move(failures));
}

Result<void> RegistryImpl::trust(const std::filesystem::path& file) {
  std::error_code ignored;
  std::filesystem::path path = std::filesystem::absolute(file, ignored).lexically_normal();
  ErrorInfo error;
  if (file.empty()) {
    error.code = ErrorCode::invalidArgument;
    error.what = "cannot trust a provider";
    error.why = "no file is named";
    error.fix = "computesdk provider trust FILE";
    return error;
  }
  error.code = ErrorCode::pluginLoad;
  error.what = "cannot trust " + path.string();
  std::string name;
  if (path.filename().string().ends_with(".provider.json")) {
    auto manifest = readManifest(path);
    if (!manifest) return std::move(manifest).error();
    if ((*manifest)->library.empty()) {
      error.why = "the manifest names no library for " + std::string(platformName());
      error.fix = "get a build of the provider for this machine";
      return error;
    }
    name = (*manifest)->name;
    path = (*manifest)->library;
  } else {
    for (const Found& found : search_.found) {
      if (found.manifest && found.manifest->library == path) name = found.name;
    }
  }
  auto library = openLibrary(path, ownershipRule(options_, Origin::added));
  if (!library) {
    error.why = path.string() + ": " + library.error().why;
    error.fix = library.error().fix;
    return error;
  }
  auto hash = sha256OfFile(library->fd.get());
  if (!hash) {
    error.why = hash.error().why;
    error.fix = "make the file readable";
    return error;
  }
  return trust_.add({*hash, name, path});
}

}  // namespace

Result<std::shared_ptr<Registry>> Registry::open(RegistryOptions options) {
  auto policy = readPolicy(options.policyFile);
  if (!policy) return std::move(policy).error();
  return std::shared_ptr<Registry>(std::make_shared<RegistryImpl>(std::move(options), std::move(*policy)));
}

}  // namespace computesdk::registry
