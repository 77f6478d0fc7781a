#pragma once

#include "common/api.hpp"

#include <computesdk/provider/views.hpp>

#include <string>
#include <string_view>

namespace computesdk::runloop {

inline constexpr std::string_view kTitle = "Runloop";

/// The provider's configuration, checked.
struct Settings {
  std::string baseUrl;      ///< without a slash at its end
  vendor::Headers headers;  ///< of every request, as the user wants them

  /// Throws plugin::Error (CSDK_INVALID_ARGUMENT), naming the setting.
  static Settings of(const plugin::Options& config);
  /// Of the tunnels into devboxes: the API's own host without "api.".
  [[nodiscard]] std::string tunnelDomain() const;
};

vendor::Api apiOf(const Settings& settings);

}  // namespace computesdk::runloop
