// What a sandbox is given at its beginning: overlays first, then servers. In COMPUTESDK_SETUP_B64 for the main sandbox,
// in the body of POST /sandboxes for a child.
#pragma once

#include <rapidjson/document.h>

#include <computesdk/result.hpp>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "overlays/overlays.hpp"
#include "servers/server_spec.hpp"

namespace computesdk::sandboxd {

class Context;

struct SetupPlan {
  std::vector<OverlayOptions> overlays;
  std::vector<ServerSpec> servers;
};

/// Reads `{overlays?: […], servers?: […]}`; what else is there is not looked at. E_INVALID_ARGUMENT.
Result<SetupPlan> setupPlanOf(const Context& context, const rapidjson::Value& object);

/// Makes the overlays and registers the servers, of which those with autostart start. Blocks while small files are
/// copied; not on the loop's thread. With `goOn`, what fails is told to `goOn` and the rest is done nevertheless; else
/// the first failure ends it and is returned.
Result<void> applyPlan(Context& context, SetupPlan plan, const std::function<void(const ErrorInfo&)>& goOn = {});

/// How far the setup of a sandbox is. Loop's thread only.
struct SetupState {
  bool pending = false;
  std::string failure;  ///< the first
};

/// `{"ready", "healthy", "servers", "overlays", "setup_error"?}`. Loop's thread only.
std::string readyJson(Context& context);
/// The arrays of it: summaries of the servers and overlays of a sandbox. Loop's thread only.
std::string serverSummaries(Context& context);
std::string overlaySummaries(Context& context);

}  // namespace computesdk::sandboxd
