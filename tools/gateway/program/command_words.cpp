#include <cstdio>
#include <cstdlib>

#include <algorithm>

#include "program/programs.hpp"

namespace computesdk::gateway {
namespace {

ErrorInfo badWords(std::string what, std::string why) {
  ErrorInfo error;
  error.code = ErrorCode::usage;
  error.what = std::move(what);
  error.why = std::move(why);
  error.fix = "computesdk gateway serve --help";
  return error;
}

struct Given {
  std::string name;  ///< with underscores
  std::string value;
};

bool isFlag(std::string_view name) { return name == "access_log" || name == "json"; }

/// Splits "--name value", "--name=value" and words without a dash.
Result<std::vector<Given>> split(std::span<const std::string> words, std::vector<std::string>& others) {
  std::vector<Given> given;
  for (std::size_t at = 0; at < words.size(); ++at) {
    const std::string& word = words[at];
    if (!word.starts_with("--")) {
      others.push_back(word);
      continue;
    }
    const std::size_t equals = word.find('=');
    Given option{word.substr(2, equals == std::string::npos ? equals : equals - 2), {}};
    std::ranges::replace(option.name, '-', '_');
    if (equals != std::string::npos) {
      option.value = word.substr(equals + 1);
    } else if (isFlag(option.name)) {
      option.value = "true";
    } else if (at + 1 < words.size()) {
      option.value = words[++at];
    } else {
      return badWords("cannot use " + word, "its value is missing");
    }
    given.push_back(std::move(option));
  }
  return given;
}

Result<void> apply(const Given& option, CommandWords& target) {
  if (option.name == "config") return {};
  if (option.name == "api_key") {
    target.settings.apiKey = option.value;
  } else if (option.name == "label") {
    target.keyLabel = option.value;
  } else if (option.name == "workspace") {
    target.keyWorkspace = option.value;
  } else if (option.name == "json") {
    target.json = true;
  } else {
    const auto keys = settingKeys();
    const auto known = std::ranges::find(keys, option.name, &SettingKey::key);
    if (known == keys.end() || !known->onCommandLine) {
      return badWords("cannot use --" + option.name, "there is no such option");
    }
    return setSetting(target.settings, option.name, option.value);
  }
  return {};
}

}  // namespace

std::optional<std::string> environmentVariable(std::string_view name) {
  const char* value = ::secure_getenv(std::string(name).c_str());
  if (value == nullptr || *value == '\0') return std::nullopt;
  return std::string(value);
}

Result<CommandWords> readCommandWords(std::span<const std::string> words) {
  CommandWords read;
  auto given = split(words, read.others);
  if (!given) return std::move(given).error();
  for (const Given& option : *given) {
    if (option.name != "config") continue;
    // It may hold credentials of providers.
    auto text = readSecretFile(option.value);
    if (!text) return std::move(text).error();
    if (auto taken = readSettings(*text, option.value, read.settings); !taken) return std::move(taken).error();
  }
  for (const Given& option : *given) {
    if (option.name == "store" && holdsPassword(option.value)) {
      std::fprintf(
          stderr,
          "warning: --store shows its password to every user of this machine; use %s, or store = in a file for "
          "--config\n",
          kStoreVariable);
    }
    if (auto applied = apply(option, read); !applied) return std::move(applied).error();
  }
  if (auto complete = completeSettings(read.settings, environmentVariable); !complete) {
    return std::move(complete).error();
  }
  return read;
}

int tell(const ErrorInfo& error) {
  std::fprintf(stderr, "%s\n", formatError(error).c_str());
  return exitCode(error.code);
}

}  // namespace computesdk::gateway
