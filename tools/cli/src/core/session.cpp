#include "core/session.hpp"

#include <algorithm>
#include <cstdlib>
#include <map>

#include "core/dotenv.hpp"
#include "core/failure.hpp"
#include "core/interrupt.hpp"
#include "core/terminal.hpp"
#include "core/units.hpp"

namespace computesdk::cli {
namespace {

std::string_view variable(const char* name) {
  const char* value = secure_getenv(name);
  return value == nullptr ? std::string_view{} : std::string_view(value);
}

void showLog(const LogMessage& message) {
  static const bool debug = !variable("COMPUTESDK_DEBUG").empty() && variable("COMPUTESDK_DEBUG") != "0";
  if (message.level < LogLevel::warning && !debug) return;
  std::string text = printable(message.provider.empty() ? message.message : message.provider + ": " + message.message);
  if (message.level >= LogLevel::warning) {
    warn(text);
  } else {
    printErr(styledErr("· " + text, Style::dim) + "\n");
  }
}

/// The variables of ./.env. Which of them may be used is the registry's to say: those that a manifest marks secret.
Result<std::map<std::string, FileVariable>> readDotEnv() {
  std::map<std::string, FileVariable> variables;
  std::string warning;
  auto text = readOwnFile("./.env", warning);
  if (!text) return std::move(text).error();
  if (!warning.empty()) warn(warning);
  if (!*text) return variables;
  for (auto& [name, value] : parseDotEnv(**text)) {
    variables[name] = {value.value, "./.env line " + std::to_string(value.line)};
  }
  return variables;
}

/// Whether a setting's two ways of writing are meant: "api_key" and "apiKey".
bool sameKey(std::string_view a, std::string_view b) {
  auto plain = [](std::string_view key) {
    std::string out;
    for (char c : key) {
      if (c != '_') out += static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    }
    return out;
  };
  return plain(a) == plain(b);
}

/// Fits the options of the configuration files to the providers that are here: the environment and ./.env say more than
/// a file does, and what is meant for another machine's provider is left out and told, for it may be a slip of the pen.
Result<void> fitOptions(ComputeConfig& wanted) {
  if (wanted.providerOptions.empty()) return {};
  Compute compute;
  if (auto set = compute.setConfig(nothrow, {.providerPaths = wanted.providerPaths}); !set) return set;
  auto installed = compute.providers(nothrow);
  if (!installed) return std::move(installed).error();
  auto set = [&](const ProviderSetting& setting) {
    return std::ranges::any_of(setting.env, [&](const std::string& name) {
      return !variable(name.c_str()).empty() || (setting.secret && wanted.fileVariables.contains(name));
    });
  };
  std::map<std::string, OptionMap> kept;
  for (auto& [name, options] : wanted.providerOptions) {
    auto found = std::ranges::find(*installed, name, &ProviderInfo::name);
    if (found == installed->end()) {
      warn("the configured options." + printable(name) + " are not used: no provider of that name is installed");
      continue;
    }
    std::erase_if(options, [&, provider = found](const auto& option) {
      return std::ranges::any_of(provider->settings, [&](const ProviderSetting& setting) {
        return sameKey(setting.key, option.first) && set(setting);
      });
    });
    kept.emplace(name, std::move(options));
  }
  wanted.providerOptions = std::move(kept);
  return {};
}

ErrorInfo noSuchSandbox(std::string_view word, const std::string& provider) {
  ErrorInfo error;
  error.code = ErrorCode::notFound;
  error.what = "cannot find the sandbox \"" + printable(word) + "\"";
  error.why = "there is no sandbox with that id, and none with that name";
  error.fix = provider.empty() ? "computesdk ls" : "computesdk ls --provider " + provider;
  error.provider = provider;
  return error;
}

}  // namespace

void addCommonFlags(Arguments& arguments, CommonFlags& flags, bool withProvider, bool withJson) {
  if (withProvider) arguments.option("--provider", "NAME", takeWord(flags.provider), "Use this provider.");
  arguments.repeated("--provider-path", "DIR", takeTexts(flags.providerPaths), "Look for providers here first.");
  if (withJson) arguments.flag("--json", flags.json, "Print JSON, also for errors.");
  arguments.option("--color", "WHEN", takeChoice(flags.color, {"auto", "always", "never"}), "auto, always or never.");
  arguments.flag("-q,--quiet", flags.quiet, "No status lines, no progress bars.");
  arguments.refused("--api-key,--token", "a secret in the arguments can be read by every user of this machine",
                    "set the provider's variable (computesdk provider info NAME), or write it into ./.env");
}

std::vector<std::filesystem::path> absolutePaths(const std::vector<std::string>& paths) {
  std::vector<std::filesystem::path> out;
  for (const std::string& path : paths) {
    std::error_code ignored;
    out.push_back(std::filesystem::absolute(path, ignored).lexically_normal());
  }
  return out;
}

Result<Session> Session::open(const CommonFlags& flags) {
  Session session;
  session.flags_ = flags;
  auto config = loadConfig();
  if (!config) return std::move(config).error();
  session.config_ = std::move(*config);
  std::string_view color = flags.color.empty() ? std::string_view(session.config_.color) : flags.color;
  chooseStyle(color == "always"  ? ColorMode::always
              : color == "never" ? ColorMode::never
                                 : ColorMode::automatic,
              flags.quiet || flags.json);
  for (const std::string& warning : session.config_.warnings) warn(warning);
  auto variables = readDotEnv();
  if (!variables) return std::move(variables).error();

  const Config& c = session.config_;
  ComputeConfig wanted;
  // Below the option and the variable: the registry weighs them, and says why.
  wanted.defaultProvider = c.provider;
  if (flags.provider.empty() && variable("COMPUTESDK_PROVIDER").empty()) wanted.providers = c.providers;
  wanted.providerOptions = c.options;
  wanted.strategy = c.strategy == "round-robin" ? Strategy::roundRobin : Strategy::priority;
  wanted.fallbackOnError = c.fallbackOnError;
  wanted.providerPaths = absolutePaths(flags.providerPaths);
  for (const std::string& path : c.providerPaths) wanted.providerPaths.emplace_back(path);
  wanted.allowProviders = c.allowProviders;
  wanted.denyProviders = c.denyProviders;
  wanted.providerPriorities = c.priorities;
  wanted.log = showLog;
  wanted.fileVariables = std::move(*variables);
  if (auto fitted = fitOptions(wanted); !fitted) return std::move(fitted).error();
  if (auto set = session.compute_.setConfig(nothrow, std::move(wanted)); !set) return std::move(set).error();
  return session;
}

Result<Sandbox> Session::find(std::string_view word) {
  auto manager = sandboxes();
  std::optional<ErrorInfo> failure;
  auto keep = [&failure](ErrorInfo error) {
    // That a provider has no such ids, or no names, only means that it is not there.
    bool absence = error.code == ErrorCode::notFound || error.code == ErrorCode::invalidArgument ||
                   error.code == ErrorCode::unsupported || error.code == ErrorCode::sandboxGone;
    if (!absence && !failure) failure = std::move(error);
  };
  auto byId = [&]() -> std::optional<Sandbox> {
    auto found = manager.getById(nothrow, word, {.provider = flags_.provider, .stop = stopToken()});
    if (found) return std::move(*found);
    keep(std::move(found).error());
    return std::nullopt;
  };
  auto byName = [&]() -> std::optional<Sandbox> {
    auto name = parseSandboxName(word);
    if (!name) return std::nullopt;
    auto found = manager.find(
        nothrow,
        {.name = name->name, .namespace_ = name->namespace_, .provider = flags_.provider, .stop = stopToken()});
    if (found) return std::move(*found);
    keep(std::move(found).error());
    return std::nullopt;
  };
  // Names have a slash far more often than ids have one.
  bool nameFirst = word.find('/') != std::string_view::npos;
  std::optional<Sandbox> found = nameFirst ? byName() : byId();
  if (!found && interrupted() == 0) found = nameFirst ? byId() : byName();
  if (found) return std::move(*found);
  if (failure) return std::move(*failure);
  return noSuchSandbox(word, flags_.provider);
}

}  // namespace computesdk::cli
