#include "detect/choice.hpp"

#include "values/text.hpp"

#include <algorithm>

namespace computesdk::registry {
namespace {

constexpr const char* kVariable = "COMPUTESDK_PROVIDER";

ErrorInfo make(ErrorCode code, std::string what, std::string why, std::string fix) {
  ErrorInfo error;
  error.code = code;
  error.what = std::move(what);
  error.why = std::move(why);
  error.fix = std::move(fix);
  return error;
}

/// Variables are set for it, all or some, and nobody forbade it.
bool isConfigured(const Evaluation& one) {
  return one.denied.empty() && (one.setting == Setting::complete || one.setting == Setting::partial);
}

std::string halfSet(const Evaluation& one) {
  return one.name() + " is half configured: " + joinAnd(one.matched) + " set, " + joinAnd(one.missing) + " missing";
}

std::string defective(const Evaluation& one) {
  return one.name() + " is configured but cannot be loaded: " + one.defect();
}

/// Usable ones of a setting, highest priority first, then by name.
std::vector<const Evaluation*> ranked(const std::vector<Evaluation>& all, Setting setting) {
  std::vector<const Evaluation*> out;
  for (const Evaluation& one : all) {
    if (one.setting == setting && one.usable()) out.push_back(&one);
  }
  std::sort(out.begin(), out.end(), [](const Evaluation* a, const Evaluation* b) {
    return a->priority != b->priority ? a->priority > b->priority : a->name() < b->name();
  });
  return out;
}

/// The first of a ranked list, or the error that two share its place.
Choice first(const std::vector<const Evaluation*>& list, std::string_view readyText) {
  Choice out;
  if (list.empty()) return out;
  std::vector<std::string> tied;
  for (const Evaluation* one : list) {
    if (one->priority == list.front()->priority) tied.push_back(one->name());
  }
  if (tied.size() > 1) {
    out.error = make(ErrorCode::providerTie, "cannot choose a provider",
                     joinAnd(tied) + " are all " + std::string(readyText) + ", with the same priority " +
                         std::to_string(list.front()->priority),
                     "name one: export COMPUTESDK_PROVIDER=" + tied.front() + "\nor for one command: computesdk run " +
                         "--provider " + tied.front() + " -- …");
    if (tied.size() == 2) out.error->why.replace(out.error->why.find("are all"), 7, "are both");
    return out;
  }
  out.selected = list.front();
  out.reason = list.size() == 1 ? "the only one that is " + std::string(readyText)
                                : "first in priority (" + std::to_string(list.front()->priority) + ")";
  return out;
}

/// What is missing for a named provider, in words.
std::string lacks(const Evaluation& one) {
  std::vector<std::string> needed = one.matched;
  needed.insert(needed.end(), one.missing.begin(), one.missing.end());
  return joinAnd(one.missing) + (one.missing.size() == 1 ? " is" : " are") + " not set (it needs " + joinAnd(needed) +
         ")";
}

std::string whyNot(const DetectInput& input, const std::vector<Evaluation>& all, const std::string& name) {
  const Evaluation* one = findEvaluation(all, name);
  if (one == nullptr) {
    auto broken = std::find_if(input.search.found.begin(), input.search.found.end(),
                               [&](const Found& found) { return found.problem && found.name == name; });
    if (broken != input.search.found.end()) return "its manifest cannot be used: " + broken->problem->why;
    std::vector<std::string> names;
    for (const Evaluation& other : all) names.push_back(other.name());
    auto near = didYouMean(name, names);
    return "no such provider is installed" + (near.empty() ? std::string{} : "; did you mean " + near + "?");
  }
  if (!one->denied.empty()) return "it is " + one->denied;
  if (!one->ruledOutBy.empty()) return one->ruledOutBy + " is set, which rules it out";
  if (!one->usable()) return "it cannot be loaded: " + one->defect();
  return one->setting == Setting::partial || one->setting == Setting::none ? lacks(*one) : std::string{};
}

/// `lastResort`: a provider that would have been taken but for these; may be null.
ErrorInfo nothingComplete(const std::vector<const Evaluation*>& inTheWay, const Evaluation* lastResort) {
  const Evaluation& leader = *inTheWay.front();
  bool broken = !leader.usable();
  std::vector<std::string> lines;
  for (const Evaluation* one : inTheWay) lines.push_back(one->usable() ? halfSet(*one) : defective(*one));
  std::string fix;
  if (broken) {
    fix = leader.found->unusableFix;
  } else {
    for (const std::string& name : leader.missing) fix += (fix.empty() ? "" : "\n") + ("export " + name + "=…");
  }
  fix += (fix.empty() ? "" : "\n") + ("or do without it: unset " + join(leader.matched, " "));
  if (lastResort != nullptr) fix += "\nor choose what needs none: export COMPUTESDK_PROVIDER=" + lastResort->name();
  auto error =
      broken ? make(ErrorCode::pluginLoad, "cannot use provider '" + leader.name() + "'", join(lines, "\n"), fix)
             : make(ErrorCode::authMissing, "Missing " + leader.name() + " configuration", join(lines, "\n"), fix);
  error.provider = leader.name();
  return error;
}

}  // namespace

const Evaluation* findEvaluation(const std::vector<Evaluation>& all, std::string_view name) {
  std::string lower = lowerCase(name);
  for (const Evaluation& one : all) {
    if (one.name() == lower) return &one;
  }
  return nullptr;
}

Choice chooseByVariable(const DetectInput& input, const std::vector<Evaluation>& all) {
  Choice out;
  auto value = input.variables.get(kVariable);
  if (!value) return out;
  std::string name = lowerCase(*value);
  auto why = whyNot(input, all, name);
  if (why.empty()) {
    out.selected = findEvaluation(all, name);
    out.reason = std::string("named by ") + kVariable;
  } else {
    out.warnings.push_back(std::string(kVariable) + " names " + printable(name, 64) + ", but " + why +
                           (why.back() == '?' ? " Detecting instead" : "; detecting instead"));
  }
  return out;
}

Choice chooseComplete(const std::vector<Evaluation>& all) {
  Choice out = first(ranked(all, Setting::complete), "configured");
  if (out.selected == nullptr) return out;
  for (const Evaluation& one : all) {
    if (!isConfigured(one) || !one.ruledOutBy.empty()) continue;
    if (!one.usable()) {
      out.warnings.push_back(defective(one));
    } else if (one.setting == Setting::partial) {
      out.warnings.push_back(halfSet(one));
    }
  }
  return out;
}

Choice chooseLastResort(const std::vector<Evaluation>& all) {
  std::vector<const Evaluation*> inTheWay = ranked(all, Setting::partial);
  for (const Evaluation& one : all) {
    if (isConfigured(one) && one.ruledOutBy.empty() && !one.usable()) inTheWay.push_back(&one);
  }
  auto lastResorts = ranked(all, Setting::always);
  if (inTheWay.empty()) return first(lastResorts, "ready without configuration");
  Choice out;
  out.error = nothingComplete(inTheWay, lastResorts.empty() ? nullptr : lastResorts.front());
  return out;
}

std::string credentialStatus(const std::vector<Evaluation>& all) {
  std::vector<std::string> lines;
  for (const Evaluation& one : all) {
    if (one.matched.empty() && one.missing.empty()) continue;
    auto total = one.matched.size() + one.missing.size();
    std::string line =
        one.name() + ": " + std::to_string(one.matched.size()) + "/" + std::to_string(total) + " credentials";
    if (!one.missing.empty()) line += " (missing " + join(one.missing, ", ") + ")";
    lines.push_back(std::move(line));
  }
  return join(lines, "\n");
}

}  // namespace computesdk::registry
