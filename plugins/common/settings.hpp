#pragma once

#include <computesdk/provider/services.hpp>

#include <string>
#include <string_view>

namespace computesdk::vendor {

/// The URL that a setting holds, without a slash at its end; empty when it is not set. Throws plugin::Error
/// (INVALID_ARGUMENT), which names `variable` and gives `example`, for what does not begin with a scheme and a host.
/// Where requests may go, and over which scheme, is for the host to say.
std::string urlSetting(const plugin::Options& config, std::string_view key, const char* variable, const char* example);

}  // namespace computesdk::vendor
