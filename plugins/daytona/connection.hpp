#pragma once

#include "common/json.hpp"
#include "common/token.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace computesdk::daytona {

/// How the toolbox of one sandbox is reached: what the token of a sandbox holds.
struct Connection {
  std::string id;
  std::string toolbox;    ///< toolboxProxyUrl, without a slash at its end; empty: not said, to be asked for
  std::string directory;  ///< working directory that was asked for at create

  /// From the token of a call; nothing when it does not hold enough, so that Daytona has to be asked.
  static std::optional<Connection> of(const csdk_target& target);
  /// From a sandbox as Daytona tells it.
  static Connection of(vendor::Json sandbox);

  [[nodiscard]] std::string token() const;
};

/// Label of a sandbox with the working directory that was asked for.
inline constexpr std::string_view kDirectoryLabel = "computesdk-directory";

}  // namespace computesdk::daytona
