#include "core/config.hpp"

#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
// With it the linker keeps libm, though nothing of it is called.
#define TOML_FLOAT_CHARCONV 0
#include <toml++/toml.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <optional>

#include "core/dotenv.hpp"
#include "core/units.hpp"

namespace computesdk::cli {
namespace {

constexpr std::array kKeys = {
#define CSDK_CONFIG_KEY(key, type, project, help) ConfigKey{key, type, project, help},
#include "core/config_keys.inc"
#undef CSDK_CONFIG_KEY
};

/// Whether "priorities.e2b" is meant by "priorities.*".
bool matches(std::string_view pattern, std::string_view key) {
  auto star = pattern.find('*');
  if (star == std::string_view::npos) return pattern == key;
  auto parts = std::ranges::count(pattern, '.');
  return key.starts_with(pattern.substr(0, star)) && std::ranges::count(key, '.') == parts;
}

/// One reading of one file: where it is, and how it complains.
class Reader {
 public:
  Reader(const std::string& file, bool project, Config& config) : file_(file), project_(project), config_(config) {}

  [[nodiscard]] ErrorInfo bad(std::uint32_t line, std::string why, std::string fix) const {
    ErrorInfo error;
    error.code = ErrorCode::config;
    error.what = "cannot use " + file_;
    error.why = "line " + std::to_string(line) + ": " + std::move(why);
    error.fix = std::move(fix);
    return error;
  }

  Result<void> table(const toml::table& table, const std::string& prefix) {
    for (const auto& [name, node] : table) {
      std::string key = prefix + std::string(name.str());
      if (const auto* inner = node.as_table(); inner != nullptr && std::ranges::count(key, '.') < 2) {
        if (auto read = this->table(*inner, key + "."); !read) return read;
        continue;
      }
      if (auto read = value(key, node); !read) return read;
    }
    return {};
  }

 private:
  Result<void> value(const std::string& key, const toml::node& node) {
    auto line = node.source().begin.line;
    const auto* known = std::ranges::find_if(kKeys, [&](const ConfigKey& k) { return matches(k.key, key); });
    if (known == kKeys.end()) {
      std::vector<std::string_view> names;
      for (const ConfigKey& k : kKeys) names.push_back(k.key);
      auto near = nearest(key, names);
      return bad(line, "there is no key \"" + printable(key) + "\"",
                 near ? "did you mean " + std::string(*near) + "?" : "docs/cli.md lists the keys");
    }
    if (project_ && !known->project) {
      return bad(line, "\"" + key + "\" may not be set by a file of the working directory",
                 "put it into ~/.config/computesdk/config.toml");
    }
    if (assign(key, node)) return {};
    return bad(line, "\"" + key + "\" must be " + std::string(known->type), "correct the value");
  }

  /// False when the value is of the wrong kind.
  bool assign(const std::string& key, const toml::node& node) {
    if (key == "provider") return text(node, config_.provider);
    if (key == "providers") return list(node, config_.providers);
    if (key == "strategy") return choice(node, {"priority", "round-robin"}, config_.strategy);
    if (key == "color") return choice(node, {"auto", "always", "never"}, config_.color);
    if (key == "provider_paths") {
      return list(node, config_.providerPaths) &&
             std::ranges::all_of(config_.providerPaths, [](const std::string& path) { return path.starts_with('/'); });
    }
    if (key == "allow_providers") return list(node, config_.allowProviders);
    if (key == "deny_providers") return list(node, config_.denyProviders);
    if (key == "fallback_on_error") {
      if (!node.is_boolean()) return false;
      config_.fallbackOnError = node.as_boolean()->get();
      return true;
    }
    if (key.starts_with("priorities.")) {
      if (!node.is_integer() || std::abs(node.as_integer()->get()) > 1'000'000) return false;
      config_.priorities.insert_or_assign(key.substr(11), static_cast<int>(node.as_integer()->get()));
      return true;
    }
    if (key.starts_with("options.")) return option(key.substr(8), node);
    return defaultOption(key.substr(std::string_view("defaults.").size()), node);
  }

  static bool text(const toml::node& node, std::string& target) {
    if (!node.is_string() || node.as_string()->get().empty()) return false;
    target = node.as_string()->get();
    return true;
  }

  static bool list(const toml::node& node, std::vector<std::string>& target) {
    const auto* array = node.as_array();
    if (array == nullptr) return false;
    target.clear();
    return std::ranges::all_of(*array, [&](const toml::node& item) { return text(item, target.emplace_back()); });
  }

  static bool choice(const toml::node& node, std::initializer_list<std::string_view> words, std::string& target) {
    std::string word;
    if (!text(node, word) || std::ranges::find(words, word) == words.end()) return false;
    target = word;
    return true;
  }

  bool option(const std::string& path, const toml::node& node) {
    auto dot = path.find('.');
    OptionValue value;
    if (node.is_string()) {
      value = node.as_string()->get();
    } else if (node.is_boolean()) {
      value = node.as_boolean()->get();
    } else if (node.is_integer()) {
      value = node.as_integer()->get();
    } else if (node.is_floating_point()) {
      value = node.as_floating_point()->get();
    } else {
      return false;
    }
    config_.options[path.substr(0, dot)].insert_or_assign(path.substr(dot + 1), std::move(value));
    return true;
  }

  bool defaultOption(const std::string& name, const toml::node& node) {
    std::string value;
    if (name == "net") {
      if (!choice(node, {"none", "full"}, value)) return false;
    } else if (!text(node, value)) {
      return false;
    }
    bool valid = name == "net" || (name == "ttl" && parseDuration(value)) || (name == "cpus" && parseCpus(value)) ||
                 (name == "pids" && parseInteger(value, 1, 1 << 22)) ||
                 ((name == "memory" || name == "disk") && parseSize(value));
    if (valid) config_.defaults.insert_or_assign(name, value);
    return valid;
  }

  const std::string& file_;
  bool project_;
  Config& config_;
};

}  // namespace

std::span<const ConfigKey> configKeys() { return kKeys; }

Result<void> readConfig(std::string_view text, const std::string& file, bool project, Config& config) {
  Reader reader(file, project, config);
  toml::parse_result parsed = toml::parse(text, file);
  if (!parsed) {
    return reader.bad(parsed.error().source().begin.line, std::string(parsed.error().description()),
                      "correct the line");
  }
  return reader.table(parsed.table(), "");
}

Result<Config> loadConfig() {
  Config config;
  std::vector<std::pair<std::string, bool>> files = {{"/etc/computesdk/config.toml", false}};
  const char* xdg = secure_getenv("XDG_CONFIG_HOME");
  const char* home = secure_getenv("HOME");
  if (xdg != nullptr && xdg[0] == '/') {
    files.emplace_back(std::string(xdg) + "/computesdk/config.toml", false);
  } else if (home != nullptr && home[0] == '/') {
    files.emplace_back(std::string(home) + "/.config/computesdk/config.toml", false);
  }
  files.emplace_back("./computesdk.toml", true);
  for (const auto& [file, project] : files) {
    std::string warning;
    auto text = readOwnFile(file, warning);
    if (!text) return std::move(text).error();
    if (!warning.empty()) config.warnings.push_back(std::move(warning));
    if (!*text) continue;
    if (auto read = readConfig(**text, file, project, config); !read) return std::move(read).error();
  }
  return config;
}

}  // namespace computesdk::cli
