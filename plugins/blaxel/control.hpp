#pragma once

#include "blaxel/box.hpp"
#include "common/results.hpp"

#include <functional>
#include <string>
#include <string_view>

// Blaxel's control plane: the life of sandboxes, URLs of their ports.
namespace computesdk::blaxel {

/// Labels that this provider adds begin so; they are never shown.
inline constexpr std::string_view kOwnLabels = "computesdk-";
inline constexpr std::string_view kCreateLabel = "computesdk-create";

/// The body of a create, and the name that the sandbox will have. Throws plugin::Error for what Blaxel cannot do.
vendor::JsonValue createBody(const csdk_create_args& args, const Settings& settings, std::string& name);

/// A sandbox as all answers have it. `nowMs`: the wall clock.
vendor::SandboxResult resultOf(vendor::Json sandbox, std::int64_t nowMs);

/// All items of all pages of a list at `path`, as long as `each` says true. `what` they are, for messages: "sandboxes".
void listPages(vendor::Session& session, const vendor::Api& control, std::string_view path, std::string_view what,
               const std::function<bool(vendor::Json)>& each);

/// Idempotent.
void destroySandbox(vendor::Session& session, const vendor::Api& control, std::string_view id);

/// Moves the end to at least `durationMs` from now. Never shortens.
void extendSandbox(vendor::Session& session, const vendor::Api& control, const csdk_extend_args& args);

/// The public URL of a port: its preview's, which is made when there is none.
std::string portUrl(vendor::Session& session, const vendor::Api& control, std::string_view id, unsigned port);

std::int64_t wallMs(const plugin::Call& call);

}  // namespace computesdk::blaxel
