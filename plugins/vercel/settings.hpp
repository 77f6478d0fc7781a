#pragma once

#include "common/api.hpp"
#include "common/text.hpp"

#include <computesdk/provider/views.hpp>

#include <string>
#include <string_view>

namespace computesdk::vercel {

/// The provider's configuration, checked.
struct Settings {
  std::string baseUrl;  ///< without a slash at its end
  std::string team, project;
  std::string_view secret;  ///< config key of the token in use
  bool deleteSnapshots = false;

  /// Throws plugin::Error (CSDK_UNAUTHENTICATED, CSDK_INVALID_ARGUMENT), naming the setting.
  static Settings of(const plugin::Options& config);

  /// A path with the team behind it, which every request names.
  [[nodiscard]] std::string path(std::string_view path, vendor::Query query = {}) const;
  /// The path of a sandbox, with team and project behind it. Throws plugin::Error (CSDK_NOT_FOUND) for what is no name.
  [[nodiscard]] std::string sandboxPath(std::string_view name, vendor::Query query = {}) const;
};

inline constexpr std::string_view kTitle = "Vercel";

vendor::Api controlPlane(const Settings& settings);

}  // namespace computesdk::vercel
