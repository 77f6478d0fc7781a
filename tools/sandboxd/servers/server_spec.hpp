#pragma once

#include <rapidjson/document.h>

#include <chrono>
#include <computesdk/result.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "overlays/overlays.hpp"
#include "servers/lifecycle.hpp"

namespace computesdk::sandboxd {

class Context;

/// How a server is asked whether it is well. A plain value.
struct HealthCheck {
  std::string path = "/";
  std::chrono::milliseconds interval{2000}, timeout{1500}, delay{5000};
};

/// What somebody wants to have run. A plain value.
struct ServerSpec {
  std::string slug;
  std::string start;
  std::string install;                      ///< empty: none
  std::string path;                         ///< absolute: the working directory of both commands
  std::optional<std::string> originalPath;  ///< as given
  std::optional<std::string> envFile;       ///< as given: absolute, or relative to `path`
  std::vector<std::pair<std::string, std::string>> environment;
  std::optional<std::uint16_t> port;  ///< what is asked for; what the server is told in PORT
  bool strictPort = false;
  bool autostart = true;
  std::vector<OverlayOptions> overlays;  ///< to be made before the first start
  std::vector<std::string> dependsOn;    ///< ids of overlays that have to be complete before it
  RestartPolicy policy = RestartPolicy::never;
  std::uint32_t maxRestarts = 0;
  std::chrono::milliseconds restartDelay{1000}, stopTimeout{10000};
  std::optional<HealthCheck> health;

  [[nodiscard]] LifecycleOptions lifecycle() const;
};

/// Reads the body of POST /servers, in the form of both clients (`command` is `start`). Touches no file. Errors:
/// E_INVALID_ARGUMENT that names the field.
Result<ServerSpec> serverSpecOf(const Context& context, const rapidjson::Value& object);

/// Makes the overlays, whose ids join `dependsOn`, and checks that the working directory and the env file are there.
/// Blocks. Errors: E_INVALID_ARGUMENT.
Result<void> prepareServer(Context& context, ServerSpec& spec);

/// The variables of the server: those of the env file below `environment` below PORT. Errors: E_INVALID_ARGUMENT when
/// the file cannot be read.
Result<std::vector<std::pair<std::string, std::string>>> serverVariables(const ServerSpec& spec);

}  // namespace computesdk::sandboxd
