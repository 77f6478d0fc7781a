#pragma once

#include "common/api.hpp"

#include <computesdk/provider/views.hpp>

namespace computesdk::gateway {

inline constexpr const char* kTitle = "the gateway";

/// The gateway's own API, with the key and the credentials of the provider that it is asked for. Throws plugin::Error.
vendor::Api control(const plugin::Options& config);

}  // namespace computesdk::gateway
