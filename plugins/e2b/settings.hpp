#pragma once

#include "common/api.hpp"

#include <computesdk/provider/views.hpp>

#include <string>
#include <string_view>

namespace computesdk::e2b {

/// The provider's configuration, checked.
struct Settings {
  std::string domain;      ///< "e2b.app"
  std::string apiUrl;      ///< of the control plane, without a slash at its end
  std::string sandboxUrl;  ///< of every sandbox's daemon; empty: found from the sandbox's domain
  std::string userAgent;
  bool debug = false;  ///< one sandbox that runs already; nothing is made or destroyed

  /// Throws plugin::Error (CSDK_INVALID_ARGUMENT), naming the setting.
  static Settings of(const plugin::Options& config);
};

inline constexpr std::string_view kTitle = "E2B";
inline constexpr std::string_view kDebugId = "debug_sandbox_id";

/// The control plane.
vendor::Api controlPlane(const Settings& settings);

}  // namespace computesdk::e2b
