#pragma once

#include "detect/evaluate.hpp"

#include <optional>
#include <string>
#include <vector>

// The rules of choosing, one function each.
namespace computesdk::registry {

/// What a rule decided: a provider, or an error, or (both empty) nothing.
struct Choice {
  const Evaluation* selected = nullptr;
  std::optional<ErrorInfo> error;
  std::string reason;  ///< why it won, for people
  std::vector<std::string> warnings;
};

/// The evaluation of a name as the user wrote it, in any case.
const Evaluation* findEvaluation(const std::vector<Evaluation>& all, std::string_view name);

/// COMPUTESDK_PROVIDER: a name that is ready, or one warning and nothing.
Choice chooseByVariable(const DetectInput& input, const std::vector<Evaluation>& all);

/// The complete provider of strictly highest priority; a tie is an error; half-set ones are warnings beside it.
Choice chooseComplete(const std::vector<Evaluation>& all);

/// When nothing is complete: an error for what is half set or cannot be loaded, else the last resort.
Choice chooseLastResort(const std::vector<Evaluation>& all);

/// "e2b: 0/1 credentials (missing E2B_API_KEY)", a line each.
std::string credentialStatus(const std::vector<Evaluation>& all);

/// The value of COMPUTESDK_GATEWAY_URL or its alias with the variable's name, when COMPUTESDK_API_KEY is set too.
struct GatewayRequest {
  GatewayMode mode;
  std::optional<ErrorInfo> error;  ///< the URL cannot be used
};
std::optional<GatewayRequest> gatewayRequest(const Variables& variables);

}  // namespace computesdk::registry
