#pragma once

#include "value.hpp"

#include <computesdk/capabilities.hpp>

namespace computesdk::conformance {

/// Capability -> "native", "emulated" or "none", under the names that cases use.
Value capabilityTable(const Capabilities& capabilities);

}  // namespace computesdk::conformance
