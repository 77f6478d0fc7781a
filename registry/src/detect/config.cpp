#include "detect/config.hpp"

#include "detect/evaluate.hpp"
#include "values/json.hpp"
#include "values/text.hpp"

#include <algorithm>
#include <map>

namespace computesdk::registry {
namespace {

constexpr std::size_t kMaxValue = 64 * 1024;

/// A value with where it came from, for messages.
struct Given {
  std::string value;
  std::string from;  ///< "E2B_API_KEY (from ./.env line 3)" or "option apiKey"
};
using Settings = std::map<std::string, Given>;

ErrorInfo make(const Manifest& manifest, ErrorCode code, std::string what, std::string why, std::string fix) {
  ErrorInfo error;
  error.code = code;
  error.what = std::move(what);
  error.why = std::move(why);
  error.fix = std::move(fix);
  error.provider = manifest.name;
  return error;
}

std::string asText(const OptionValue& value) {
  if (const auto* flag = std::get_if<bool>(&value)) return *flag ? "true" : "false";
  if (const auto* number = std::get_if<std::int64_t>(&value)) return std::to_string(*number);
  if (const auto* number = std::get_if<double>(&value)) {
    // std::to_chars for double would make every program that links us map libm.
    return jsonText(rapidjson::Value(*number));
  }
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  return std::get<Json>(value).text;
}

Result<Settings> takeGiven(const Manifest& manifest, const OptionMap& given) {
  Settings out;
  for (const auto& [key, value] : given) {
    const ConfigEntry* entry = manifest.findConfig(key);
    if (entry == nullptr) {
      std::vector<std::string> known;
      for (const ConfigEntry& one : manifest.config) known.push_back(camelCase(one.key));
      auto near = didYouMean(camelCase(key), known);
      return make(manifest, ErrorCode::config, "cannot configure " + manifest.name,
                  "it has no setting '" + printable(key, 64) + "'",
                  !near.empty()   ? "did you mean " + near + "?"
                  : known.empty() ? manifest.name + " has no settings"
                                  : "its settings are " + joinAnd(known));
    }
    if (!out.try_emplace(entry->key, Given{asText(value), "option " + key}).second) {
      return make(manifest, ErrorCode::config, "cannot configure " + manifest.name,
                  entry->key + " is given twice, as " + entry->key + " and as " + camelCase(entry->key),
                  "give it once");
    }
  }
  std::erase_if(out, [](const auto& one) { return one.second.value.empty(); });
  return out;
}

void takeVariables(const Manifest& manifest, const Variables& variables, Settings& out) {
  const Settings given = out;
  for (const ConfigEntry& entry : manifest.config) {
    const bool displaced = std::any_of(entry.unlessGiven.begin(), entry.unlessGiven.end(),
                                       [&](const std::string& key) { return given.count(key) != 0; });
    if (displaced || out.count(entry.key) != 0) continue;
    for (const std::string& name : entry.env) {
      if (auto value = variables.get(name)) {
        out[entry.key] = {*value, name + variables.originNote(name)};
        break;
      }
    }
  }
}

/// Base64url without padding; nothing for other characters.
std::optional<std::string> decodeBase64Url(std::string_view text) {
  std::string out;
  std::uint32_t bits = 0;
  int count = 0;
  for (char c : text) {
    int value = c >= 'A' && c <= 'Z'   ? c - 'A'
                : c >= 'a' && c <= 'z' ? c - 'a' + 26
                : c >= '0' && c <= '9' ? c - '0' + 52
                : c == '-'             ? 62
                : c == '_'             ? 63
                                       : -1;
    if (value < 0) return std::nullopt;
    bits = bits << 6 | static_cast<std::uint32_t>(value);
    count += 6;
    if (count >= 8) {
      count -= 8;
      out += static_cast<char>(bits >> count & 0xff);
    }
  }
  return out;
}

/// Settings that are not given are taken from the claims of a token among the settings. The token's signature is the
/// vendor's to check; here it only says whose it is.
void takeClaims(const Manifest& manifest, Settings& out) {
  for (const ConfigEntry& entry : manifest.config) {
    auto token = out.find(entry.key);
    if (entry.jwtClaims.empty() || token == out.end()) continue;
    std::string_view text = token->second.value;
    auto first = text.find('.');
    auto second = first == std::string_view::npos ? first : text.find('.', first + 1);
    if (second == std::string_view::npos) continue;
    auto payload = decodeBase64Url(text.substr(first + 1, second - first - 1));
    auto document = payload ? parseJson(*payload, {}) : Result<rapidjson::Document>(ErrorInfo{});
    if (!document || !document->IsObject()) continue;
    for (const auto& [key, claim] : entry.jwtClaims) {
      auto found = document->FindMember(claim.c_str());
      if (found == document->MemberEnd() || (!found->value.IsString() && !found->value.IsInt64())) continue;
      std::string from = "claim " + claim + " of " + token->second.from;
      std::string value =
          found->value.IsString() ? std::string(jsonView(found->value)) : std::to_string(found->value.GetInt64());
      out.try_emplace(manifest.findConfig(key)->key, Given{std::move(value), from});
    }
  }
}

std::string steps(const Manifest& manifest, const std::vector<std::string>& missing) {
  std::vector<std::string> lines = manifest.setupSteps;
  if (lines.empty()) {
    if (!manifest.setupUrl.empty()) lines.push_back("get credentials: " + manifest.setupUrl);
    for (const std::string& key : missing) {
      const ConfigEntry* entry = manifest.findConfig(key);
      std::string line = entry != nullptr && entry->env.empty()
                             ? "give the option " + camelCase(entry->key)
                             : "export " + (entry != nullptr ? entry->env.front() : key) + "=…";
      if (entry != nullptr && !entry->help.empty()) line += "   (" + entry->help + ")";
      lines.push_back(std::move(line));
    }
  } else if (!manifest.setupUrl.empty()) {
    lines.push_back("more: " + manifest.setupUrl);
  }
  std::string out;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    out += (i == 0 ? "" : "\n") + std::to_string(i + 1) + ". " + lines[i];
  }
  return out;
}

/// "api_key (E2B_API_KEY)".
std::string nameOf(const Manifest& manifest, const std::string& key) {
  const ConfigEntry* entry = manifest.findConfig(key);
  return entry == nullptr ? key
                          : camelCase(entry->key) + (entry->env.empty() ? "" : " (" + join(entry->env, " or ") + ")");
}

/// Keys of a group that have no value; a variable that is no setting counts by itself.
std::vector<std::string> missingOf(const Manifest& manifest, const DetectGroup& group, const Settings& settings,
                                   const Variables& variables) {
  std::vector<std::string> out;
  for (const std::string& variable : group) {
    auto entry = std::find_if(manifest.config.begin(), manifest.config.end(), [&](const ConfigEntry& one) {
      return std::find(one.env.begin(), one.env.end(), variable) != one.env.end();
    });
    bool known = entry != manifest.config.end();
    if (known ? settings.count(entry->key) == 0 : !variables.isSet(variable))
      out.push_back(known ? entry->key : variable);
  }
  return out;
}

std::optional<ErrorInfo> checkComplete(const Manifest& manifest, const Settings& settings, const Variables& variables) {
  std::vector<std::string> required;
  for (const ConfigEntry& entry : manifest.config) {
    if (entry.required && settings.count(entry.key) == 0 && entry.defaultValue.empty()) required.push_back(entry.key);
  }
  std::vector<std::vector<std::string>> groups;
  for (const DetectGroup& group : manifest.detect.anyOf) {
    groups.push_back(missingOf(manifest, group, settings, variables));
    if (groups.back().empty()) {
      groups.clear();
      break;
    }
  }
  if (required.empty() && groups.empty()) return std::nullopt;
  std::vector<std::string> ways;
  const std::vector<std::string>* nearest = &required;
  for (const auto& group : groups) {
    std::vector<std::string> names;
    for (const std::string& key : group) names.push_back(nameOf(manifest, key));
    auto way = joinAnd(names);
    if (std::find(ways.begin(), ways.end(), way) == ways.end()) ways.push_back(std::move(way));
    if (nearest == &required || group.size() < nearest->size()) nearest = &group;
  }
  if (groups.empty()) {
    std::vector<std::string> names;
    for (const std::string& key : required) names.push_back(nameOf(manifest, key));
    ways.push_back(joinAnd(names));
  }
  return make(manifest, ErrorCode::authMissing, "Missing " + manifest.name + " configuration",
              "not given: " + join(ways, "; or instead: "), steps(manifest, *nearest));
}

std::optional<ErrorInfo> checkForm(const Manifest& manifest, const ConfigEntry& entry, const Given& setting,
                                   const SearchResult& search, std::vector<std::string>& warnings) {
  std::string what = "cannot use provider '" + manifest.name + "': " + setting.from + " has the wrong form";
  auto isControl = [&entry](char c) {
    if (entry.lines && !entry.secret && c == '\n') return false;
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
  };
  if (setting.value.size() > kMaxValue) {
    return make(manifest, ErrorCode::authFormat, what, "it is longer than 64 KiB", "set it again");
  }
  if (std::any_of(setting.value.begin(), setting.value.end(), isControl)) {
    return make(manifest, ErrorCode::authFormat, what, "it holds a line break or another control character",
                "set it again without the line break");
  }
  if (entry.prefix.empty() || setting.value.starts_with(entry.prefix)) return std::nullopt;
  std::string why = "it does not start with \"" + entry.prefix + "\"";
  auto owner = ownerOfPrefix(search, manifest.name, setting.value);
  if (!owner.empty()) why += "; it looks like a key of " + owner;
  if (!entry.prefixStrict) {
    warnings.push_back(setting.from + ": " + why);
    return std::nullopt;
  }
  std::string fix = "check " + setting.from + "; keys of " + manifest.title + " start with \"" + entry.prefix + "\"";
  if (!manifest.setupUrl.empty()) fix += "\nget one: " + manifest.setupUrl;
  if (!owner.empty()) fix += "\nor use " + owner + ": export COMPUTESDK_PROVIDER=" + owner;
  return make(manifest, ErrorCode::authFormat, what, why, fix);
}

}  // namespace

Result<ResolvedConfig> resolveConfig(const Manifest& manifest, const OptionMap& given, const Variables& variables,
                                     const SearchResult& search, std::vector<std::string>& warnings) {
  auto settings = takeGiven(manifest, given);
  if (!settings) return std::move(settings).error();
  takeVariables(manifest, variables, *settings);
  takeClaims(manifest, *settings);
  if (auto error = checkComplete(manifest, *settings, variables)) return *error;
  ResolvedConfig out;
  for (const ConfigEntry& entry : manifest.config) {
    auto found = settings->find(entry.key);
    if (found == settings->end()) {
      if (!entry.defaultValue.empty()) out.push_back({entry.key, entry.defaultValue, entry.secret});
      continue;
    }
    if (auto error = checkForm(manifest, entry, found->second, search, warnings)) return *error;
    out.push_back({entry.key, found->second.value, entry.secret});
  }
  return out;
}

}  // namespace computesdk::registry
