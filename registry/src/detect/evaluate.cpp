#include "detect/evaluate.hpp"

#include "values/text.hpp"

#include <algorithm>
#include <array>

namespace computesdk::registry {
namespace {

struct KnownPriority {
  std::string_view name;
  int value;
};
constexpr std::array kPriorities = {
    KnownPriority{"e2b", 90},        KnownPriority{"railway", 85},     KnownPriority{"daytona", 80},
    KnownPriority{"modal", 75},      KnownPriority{"runloop", 70},     KnownPriority{"vercel", 65},
    KnownPriority{"cloudflare", 60}, KnownPriority{"codesandbox", 55}, KnownPriority{"blaxel", 50},
};

/// The user's word, else the documented order. A manifest's own word counts only in the product's folder: elsewhere any
/// file that is dropped in could put itself before what is already configured.
int priorityOf(const RegistryOptions& options, const Found& found) {
  auto users = options.priorities.find(found.name);
  if (users != options.priorities.end()) return users->second;
  if (found.origin == Origin::product && found.manifest->priority) return *found.manifest->priority;
  auto known = std::find_if(kPriorities.begin(), kPriorities.end(),
                            [&](const KnownPriority& one) { return one.name == found.name; });
  return known != kPriorities.end() ? known->value : 0;
}

std::string deniedBy(const DetectInput& input, const std::string& name) {
  if (auto by = input.policy.denies(name); !by.empty()) return by;
  auto contains = [&](const std::vector<std::string>& list) {
    return std::find(list.begin(), list.end(), name) != list.end();
  };
  if (contains(input.options.deny)) return "denied by the configuration";
  if (!input.options.allow.empty() && !contains(input.options.allow)) {
    return "not among the providers that the configuration allows";
  }
  return {};
}

void evaluateGroups(const DetectInput& input, Evaluation& out) {
  const DetectRule& rule = out.found->manifest->detect;
  for (const std::string& name : rule.noneOf) {
    if (input.variables.isSet(name)) {
      out.ruledOutBy = name;
      return;
    }
  }
  if (rule.anyOf.empty()) {
    out.setting = rule.always ? Setting::always : Setting::onRequest;
    return;
  }
  bool first = true;
  for (const DetectGroup& group : rule.anyOf) {
    std::vector<std::string> matched;
    std::vector<std::string> missing;
    for (const std::string& name : group) (input.variables.isSet(name) ? matched : missing).push_back(name);
    // The nearest group is the one to speak about: started rather than not, then with the fewest names missing.
    bool nearer = first || (out.matched.empty() && !matched.empty()) ||
                  (matched.empty() == out.matched.empty() && missing.size() < out.missing.size());
    if (missing.empty() || nearer) {
      out.setting = missing.empty() ? Setting::complete : matched.empty() ? Setting::none : Setting::partial;
      out.matched = std::move(matched);
      out.missing = std::move(missing);
      first = false;
    }
    if (out.setting == Setting::complete) return;
  }
}

void checkFormats(const DetectInput& input, Evaluation& out) {
  for (const ConfigEntry& entry : out.found->manifest->config) {
    if (entry.prefix.empty()) continue;
    for (const std::string& name : entry.env) {
      auto value = input.variables.get(name);
      if (!value) continue;
      if (!value->starts_with(entry.prefix)) {
        std::string note = name + " does not start with \"" + entry.prefix + "\"";
        auto owner = ownerOfPrefix(input.search, out.name(), *value);
        if (!owner.empty()) note += "; it looks like a key of " + owner;
        out.formatNotes.push_back(std::move(note));
      }
      break;
    }
  }
}

}  // namespace

std::string ownerOfPrefix(const SearchResult& search, std::string_view name, std::string_view value) {
  std::string owner;
  std::size_t longest = 0;
  for (const Found& found : search.found) {
    if (!found.manifest || found.shadowed || found.name == name) continue;
    for (const ConfigEntry& entry : found.manifest->config) {
      if (entry.prefix.size() > longest && value.starts_with(entry.prefix)) {
        owner = found.name;
        longest = entry.prefix.size();
      }
    }
  }
  return owner;
}

std::vector<Evaluation> evaluateAll(const DetectInput& input) {
  std::vector<Evaluation> out;
  for (const Found& found : input.search.found) {
    if (!found.manifest || found.shadowed) continue;
    Evaluation one;
    one.found = &found;
    one.priority = priorityOf(input.options, found);
    one.denied = deniedBy(input, found.name);
    evaluateGroups(input, one);
    if (one.setting == Setting::complete || one.setting == Setting::partial) checkFormats(input, one);
    out.push_back(std::move(one));
  }
  return out;
}

std::string describeSetting(const Evaluation& evaluation, const Variables& variables) {
  if (!evaluation.ruledOutBy.empty()) return "ruled out because " + evaluation.ruledOutBy + " is set";
  if (evaluation.setting == Setting::always) return "needs no configuration; used when nothing else is configured";
  if (evaluation.setting == Setting::onRequest) return "needs no configuration; used only when it is named";
  std::vector<std::string> set;
  for (const std::string& name : evaluation.matched) set.push_back(name + variables.originNote(name));
  if (evaluation.setting == Setting::complete) return joinAnd(set) + " set";
  if (evaluation.setting == Setting::partial) return joinAnd(set) + " set, " + joinAnd(evaluation.missing) + " missing";
  return joinAnd(evaluation.missing) + " not set";
}

}  // namespace computesdk::registry
