#pragma once

#include "common/json.hpp"
#include "common/token.hpp"
#include "e2b/settings.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace computesdk::e2b {

/// How the daemon of one sandbox is reached: what the token of a sandbox holds.
struct Connection {
  std::string id;
  std::string domain;     ///< that E2B said for this sandbox; empty: the configured one
  std::string access;     ///< envdAccessToken
  std::string traffic;    ///< trafficAccessToken, for its ports when they are not public
  std::string version;    ///< of envd: "0.6.4"
  std::string directory;  ///< working directory that was asked for at create
  std::string life;       ///< whole seconds that were asked for at create

  /// From the token of a call; nothing when it does not hold enough, so that E2B has to be asked.
  static std::optional<Connection> of(const csdk_target& target);
  /// From an answer to create, connect or inspect; `before` gives what those do not tell.
  static Connection of(vendor::Json answer, const Connection& before = {});

  [[nodiscard]] std::string token() const;
  [[nodiscard]] std::string baseUrl(const Settings& settings) const;
  [[nodiscard]] std::string hostOfPort(const Settings& settings, unsigned port) const;
  [[nodiscard]] bool versionAtLeast(int major, int minor, int patch) const;
};

}  // namespace computesdk::e2b
