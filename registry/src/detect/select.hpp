#pragma once

#include "detect/evaluate.hpp"

#include <optional>
#include <string_view>

namespace computesdk::registry {

/// Chooses: the explicit name, then gateway mode, COMPUTESDK_PROVIDER, the configuration file's provider, and
/// detection. Pure: reads only `input`.
Detection selectProvider(const DetectInput& input, std::optional<std::string_view> explicitName);

/// The error for a name that cannot be used: unknown (with what it may have meant), denied, or defective.
ErrorInfo unusableName(const DetectInput& input, const std::vector<Evaluation>& all, std::string_view name);

}  // namespace computesdk::registry
