#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
#include <toml++/toml.h>

#include <algorithm>

#include "config/settings.hpp"

namespace computesdk::gateway {
namespace {

/// One reading of one file.
class SettingsReader {
 public:
  SettingsReader(const std::string& file, Settings& settings) : file_(file), settings_(settings) {}

  [[nodiscard]] ErrorInfo bad(std::uint32_t line, std::string why) const {
    ErrorInfo error;
    error.code = ErrorCode::config;
    error.what = "cannot use " + file_;
    error.why = "line " + std::to_string(line) + ": " + std::move(why);
    error.fix = "docs/gateway.md lists the settings";
    return error;
  }

  Result<void> read(const toml::table& table) {
    for (const auto& [name, node] : table) {
      const std::string key(name.str());
      bool good = false;
      if (key == "provider_aliases") {
        good = aliases(node);
      } else if (key == "options") {
        good = options(node);
      } else if (key == "provider_paths") {
        good = list(node, settings_.providerPaths) &&
               std::ranges::all_of(settings_.providerPaths, [](const auto& path) { return path.starts_with('/'); });
      } else if (key == "allow_providers") {
        good = list(node, settings_.allowProviders);
      } else if (key == "deny_providers") {
        good = list(node, settings_.denyProviders);
      } else {
        if (std::ranges::find(settingKeys(), key, &SettingKey::key) == settingKeys().end()) {
          return bad(node.source().begin.line, "there is no setting \"" + key + "\"");
        }
        good = plain(key, node);
      }
      if (!good) return bad(node.source().begin.line, "\"" + key + "\" has a value that it cannot have");
    }
    return {};
  }

 private:
  bool plain(const std::string& key, const toml::node& node) {
    std::string value;
    if (const auto* text = node.as_string()) value = text->get();
    if (const auto* number = node.as_integer()) value = std::to_string(number->get());
    if (const auto* flag = node.as_boolean()) value = flag->get() ? "true" : "false";
    return setSetting(settings_, key, value).has_value();
  }

  static bool list(const toml::node& node, std::vector<std::string>& target) {
    const auto* array = node.as_array();
    if (array == nullptr) return false;
    target.clear();
    for (const toml::node& each : *array) {
      if (!each.is_string() || each.as_string()->get().empty()) return false;
      target.push_back(each.as_string()->get());
    }
    return true;
  }

  bool aliases(const toml::node& node) {
    const auto* table = node.as_table();
    if (table == nullptr) return false;
    for (const auto& [name, value] : *table) {
      if (!value.is_string() || value.as_string()->get().empty()) return false;
      settings_.providerAliases[std::string(name.str())] = value.as_string()->get();
    }
    return true;
  }

  bool options(const toml::node& node) {
    const auto* providers = node.as_table();
    if (providers == nullptr) return false;
    for (const auto& [provider, values] : *providers) {
      const auto* table = values.as_table();
      if (table == nullptr) return false;
      for (const auto& [key, value] : *table) {
        OptionValue option;
        if (const auto* text = value.as_string()) {
          option = text->get();
        } else if (const auto* flag = value.as_boolean()) {
          option = flag->get();
        } else if (const auto* number = value.as_integer()) {
          option = number->get();
        } else if (const auto* real = value.as_floating_point()) {
          option = real->get();
        } else {
          return false;
        }
        settings_.providerOptions[std::string(provider.str())].insert_or_assign(std::string(key.str()),
                                                                                std::move(option));
      }
    }
    return true;
  }

  const std::string& file_;
  Settings& settings_;
};

}  // namespace

Result<void> readSettings(std::string_view text, const std::string& file, Settings& settings) {
  SettingsReader reader(file, settings);
  const toml::parse_result parsed = toml::parse(text, file);
  if (!parsed) {
    return reader.bad(parsed.error().source().begin.line, std::string(parsed.error().description()));
  }
  return reader.read(parsed.table());
}

}  // namespace computesdk::gateway
