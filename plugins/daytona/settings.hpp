#pragma once

#include "common/api.hpp"

#include <computesdk/provider/views.hpp>

#include <string>
#include <string_view>

namespace computesdk::daytona {

/// The provider's configuration, checked.
struct Settings {
  std::string apiUrl;        ///< of the control plane, without a slash at its end
  std::string target;        ///< region of new sandboxes; empty: the organization's
  std::string organization;  ///< that a token is used for
  bool byToken = false;      ///< a user's token in place of a key

  /// Throws plugin::Error, naming the setting.
  static Settings of(const plugin::Options& config);
};

inline constexpr std::string_view kTitle = "Daytona";

/// Headers and credentials of both services, for `url`.
vendor::Api::Settings apiSettings(const Settings& settings, std::string url);
/// The control plane.
vendor::Api controlPlane(const Settings& settings);

}  // namespace computesdk::daytona
