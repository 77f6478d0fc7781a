#include "detect/select.hpp"

#include "detect/choice.hpp"
#include "values/text.hpp"

#include <algorithm>

namespace computesdk::registry {
namespace {

constexpr const char* kGatewayProvider = "gateway";

/// A selection on its way to a Detection.
struct State {
  const DetectInput& input;
  std::vector<Evaluation> all;
  Choice choice;
  std::vector<std::string> warnings;
  std::optional<GatewayMode> gateway;

  bool take(Choice next) {
    warnings.insert(warnings.end(), next.warnings.begin(), next.warnings.end());
    choice = std::move(next);
    return choice.selected != nullptr || choice.error.has_value();
  }
};

std::vector<std::string> exampleVariables(const std::vector<Evaluation>& all) {
  std::vector<const Evaluation*> byPriority;
  for (const Evaluation& one : all) {
    if (!one.missing.empty()) byPriority.push_back(&one);
  }
  std::sort(byPriority.begin(), byPriority.end(),
            [](const Evaluation* a, const Evaluation* b) { return a->priority > b->priority; });
  std::vector<std::string> out;
  for (const Evaluation* one : byPriority) {
    if (out.size() < 3) out.push_back(join(one->missing, " + "));
  }
  if (out.empty()) out.emplace_back("E2B_API_KEY");
  return out;
}

ErrorInfo notConfigured(const State& state) {
  ErrorInfo error;
  error.code = ErrorCode::notConfigured;
  error.what = "No ComputeSDK configuration found";
  error.why = "neither COMPUTESDK_API_KEY with a gateway URL nor the credentials of a provider (" +
              join(exampleVariables(state.all), ", ") + ", …) are set";
  for (const Evaluation& one : state.all) {
    if (one.setting != Setting::always) continue;
    if (!one.denied.empty()) {
      error.why += "\n" + one.name() + ": " + one.denied;
    } else if (!one.usable()) {
      error.why += "\n" + one.name() + ": " + (one.ruledOutBy.empty() ? one.defect() : one.ruledOutBy + " is set");
    }
  }
  error.fix =
      "set a provider's credentials (zero-config): export E2B_API_KEY=…\n"
      "or name a provider in the program: compute.setConfig({.provider = \"e2b\", .options = {{\"apiKey\", key}}})\n"
      "or use a gateway: export COMPUTESDK_API_KEY=… COMPUTESDK_GATEWAY_URL=…\n"
      "what was looked at: computesdk provider detect";
  return error;
}

ErrorInfo keyWithoutProvider(const State& state) {
  ErrorInfo error;
  error.code = ErrorCode::notConfigured;
  error.what = "COMPUTESDK_API_KEY is set but no provider detected";
  auto status = credentialStatus(state.all);
  error.why = "no provider's credentials are complete" + (status.empty() ? status : "\n" + status);
  error.fix =
      "set the missing variables of one provider, for example: export E2B_API_KEY=…\n"
      "or name one: export COMPUTESDK_PROVIDER=…";
  return error;
}

ErrorInfo gatewayMissing(const GatewayMode& mode) {
  ErrorInfo error;
  error.code = ErrorCode::unknownProvider;
  error.what = "cannot use the gateway " + printable(mode.url);
  error.why = "COMPUTESDK_API_KEY and " + mode.urlVariable +
              " ask for a gateway, and no usable provider named gateway is " + "installed";
  error.fix = "install the provider `gateway`\nor use providers directly: unset " + mode.urlVariable;
  error.provider = kGatewayProvider;
  return error;
}

/// Gateway mode: the carrier by the same rules, but nothing that needs no credentials is taken unless it was named.
void chooseGateway(State& state, GatewayRequest request) {
  state.gateway = request.mode;
  if (request.error) {
    state.choice.error = std::move(request.error);
    return;
  }
  auto named = state.input.variables.get("COMPUTESDK_PROVIDER");
  if (named && lowerCase(*named) == "computesdk") {
    state.gateway->carrier = "computesdk";
  } else if (state.take(chooseByVariable(state.input, state.all)) || state.take(chooseComplete(state.all))) {
    if (state.choice.error) return;
    state.gateway->carrier = state.choice.selected->name();
  } else {
    state.choice.error = keyWithoutProvider(state);
    return;
  }
  const Evaluation* provider = findEvaluation(state.all, kGatewayProvider);
  state.choice = {};
  if (provider == nullptr || !provider->usable()) {
    state.choice.error = gatewayMissing(*state.gateway);
  } else {
    state.choice.selected = provider;
    state.choice.reason =
        "COMPUTESDK_API_KEY and " + state.gateway->urlVariable + " set; carries " + state.gateway->carrier;
  }
}

void chooseExplicit(State& state, std::string_view name, std::string reason) {
  const Evaluation* one = findEvaluation(state.all, name);
  if (one != nullptr && one->usable()) {
    state.choice.selected = one;
    state.choice.reason = std::move(reason);
  } else {
    state.choice.error = unusableName(state.input, state.all, name);
  }
}

void chooseDirect(State& state) {
  bool keyAlone = state.input.variables.isSet("COMPUTESDK_API_KEY");
  if (keyAlone) {
    state.warnings.emplace_back(
        "COMPUTESDK_API_KEY is set without a gateway URL (COMPUTESDK_GATEWAY_URL); "
        "using providers directly");
  }
  if (state.take(chooseByVariable(state.input, state.all))) return;
  if (!state.input.options.configuredProvider.empty()) {
    chooseExplicit(state, state.input.options.configuredProvider, "named by the configuration file");
    return;
  }
  if (state.take(chooseComplete(state.all))) return;
  if (state.take(chooseLastResort(state.all))) return;
  state.choice.error = keyAlone ? keyWithoutProvider(state) : notConfigured(state);
}

std::string lostBecause(const State& state, const Evaluation& one) {
  const Evaluation* winner = state.choice.selected;
  if (winner == nullptr || one.setting != Setting::complete) return {};
  if (winner->priority > one.priority && winner->setting == Setting::complete &&
      state.choice.reason.starts_with("first")) {
    return "; " + winner->name() + " comes first (priority " + std::to_string(winner->priority) + " over " +
           std::to_string(one.priority) + ")";
  }
  return "; " + winner->name() + " is " + state.choice.reason;
}

Candidate describe(const State& state, const Evaluation& one) {
  Candidate out;
  out.name = one.name();
  out.manifestPath = one.found->file;
  out.version = one.found->manifest->version;
  out.priority = one.priority;
  out.matched = one.matched;
  out.missing = one.missing;
  out.why = describeSetting(one, state.input.variables);
  if (!one.denied.empty()) {
    out.state = CandidateState::denied;
    out.why = one.denied;
  } else if (!one.found->unusable.empty()) {
    out.state = CandidateState::unloadable;
    out.why = one.found->unusable + " → " + one.found->unusableFix;
  } else if (&one == state.choice.selected) {
    out.state = CandidateState::selected;
    out.why += "; " + state.choice.reason;
  } else if (!one.ruledOutBy.empty() || one.setting == Setting::none) {
    out.state = CandidateState::absent;
  } else if (one.setting == Setting::partial) {
    out.state = CandidateState::incomplete;
  } else {
    out.state = CandidateState::ready;
    out.why += lostBecause(state, one);
  }
  for (const std::string& note : one.formatNotes) out.why += "; " + note;
  return out;
}

/// Manifests that take no part: bad ones, and those behind one of the same name.
void describeOthers(const DetectInput& input, std::vector<Candidate>& out) {
  for (const Found& found : input.search.found) {
    if (found.manifest && !found.shadowed) continue;
    Candidate one;
    one.name = found.name;
    one.manifestPath = found.file;
    if (found.problem) {
      one.state = CandidateState::unloadable;
      one.why = found.problem->why + " → " + found.problem->fix;
    } else {
      one.state = CandidateState::shadowed;
      one.version = found.manifest->version;
      auto winner = std::find_if(input.search.found.begin(), input.search.found.end(), [&](const Found& other) {
        return other.manifest && !other.shadowed && other.name == found.name;
      });
      one.why = "another " + found.name + " comes first: " + winner->file.string();
    }
    out.push_back(std::move(one));
  }
}

}  // namespace

std::string_view toString(CandidateState state) noexcept {
  switch (state) {
    case CandidateState::selected: return "selected";
    case CandidateState::ready: return "ready";
    case CandidateState::incomplete: return "incomplete";
    case CandidateState::absent: return "absent";
    case CandidateState::shadowed: return "shadowed";
    case CandidateState::unloadable: return "unloadable";
    case CandidateState::denied: return "denied";
  }
  return "absent";
}

ErrorInfo unusableName(const DetectInput& input, const std::vector<Evaluation>& all, std::string_view name) {
  ErrorInfo error;
  const Evaluation* one = findEvaluation(all, name);
  if (one != nullptr) {
    error.provider = one->name();
    error.what = "cannot use provider '" + one->name() + "'";
    error.code = !one->denied.empty()      ? ErrorCode::policy
                 : one->ruledOutBy.empty() ? ErrorCode::pluginLoad
                                           : ErrorCode::config;
    error.why = !one->denied.empty()      ? "it is " + one->denied
                : one->ruledOutBy.empty() ? one->defect()
                                          : one->ruledOutBy + " is set, which rules it out";
    error.fix = !one->denied.empty()      ? "use another provider: computesdk provider list"
                : one->ruledOutBy.empty() ? one->found->unusableFix
                                          : "unset " + one->ruledOutBy;
    return error;
  }
  auto broken = std::find_if(input.search.found.begin(), input.search.found.end(),
                             [&](const Found& found) { return found.problem && found.name == lowerCase(name); });
  if (broken != input.search.found.end()) {
    error = *broken->problem;
    error.provider = broken->name;
    return error;
  }
  std::vector<std::string> names;
  for (const Evaluation& other : all) names.push_back(other.name());
  std::sort(names.begin(), names.end());
  error.code = ErrorCode::unknownProvider;
  error.what = "Unknown provider: " + printable(name, 64);
  error.why = names.empty() ? "no provider is installed" : "installed are " + joinAnd(names);
  auto near = didYouMean(name, names);
  error.fix = near.empty() ? "computesdk provider list\nwhere providers are looked for: computesdk provider search-path"
                           : "did you mean " + near + "?";
  return error;
}

Detection selectProvider(const DetectInput& input, std::optional<std::string_view> explicitName) {
  State state{input, evaluateAll(input), {}, {}, {}};
  if (explicitName) {
    chooseExplicit(state, *explicitName, "named by the caller");
  } else if (auto request = gatewayRequest(input.variables)) {
    chooseGateway(state, std::move(*request));
  } else {
    chooseDirect(state);
  }

  Detection out;
  out.gateway = std::move(state.gateway);
  out.error = std::move(state.choice.error);
  if (!out.error && state.choice.selected != nullptr) out.selected = state.choice.selected->name();
  if (out.error) state.choice.selected = nullptr;
  for (const Evaluation& one : state.all) out.candidates.push_back(describe(state, one));
  describeOthers(input, out.candidates);
  std::stable_sort(out.candidates.begin(), out.candidates.end(), [](const Candidate& a, const Candidate& b) {
    bool aFirst = a.state == CandidateState::selected;
    bool bFirst = b.state == CandidateState::selected;
    if (aFirst != bFirst) return aFirst;
    return a.priority != b.priority ? a.priority > b.priority : a.name < b.name;
  });
  if (state.choice.selected != nullptr) {
    for (const std::string& note : state.choice.selected->formatNotes) out.notes.push_back(note);
  }
  out.warnings = std::move(state.warnings);
  return out;
}

}  // namespace computesdk::registry
