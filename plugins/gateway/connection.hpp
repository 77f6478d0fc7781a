#pragma once

#include "common/api.hpp"
#include "common/results.hpp"

#include <computesdk/plugin.h>

#include <optional>
#include <string>

namespace computesdk::gateway {

/// The label of a create, by which one of unclear end is found again.
inline constexpr const char* kCreateLabel = "computesdk_create";

/// How one sandbox's daemon is reached: what the token of a sandbox holds.
struct Connection {
  std::string url;
  std::string access;

  /// Nothing when the token of a call does not hold it, so that the gateway has to be asked.
  static std::optional<Connection> of(const csdk_target& target);
  static Connection of(vendor::Json sandbox);
  [[nodiscard]] std::string token() const;
};

/// What the gateway says of a sandbox, without its token's secret in the vendor's own object.
vendor::SandboxResult resultOf(vendor::Json sandbox);
/// The body of a create.
vendor::JsonValue createBody(const csdk_create_args& args);
/// The URL of a port by the daemon's: `label-PORT.domain`, or `<url>/p/PORT/` where the URL has a path.
std::string portUrl(const std::string& url, unsigned port, std::string_view protocol);

}  // namespace computesdk::gateway
