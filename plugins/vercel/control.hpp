#pragma once

#include "common/json_writer.hpp"
#include "common/results.hpp"
#include "vercel/machine.hpp"

#include <computesdk/provider/call.hpp>

#include <functional>
#include <string>
#include <string_view>

// Vercel's control plane: the life of sandboxes, and their snapshots.
namespace computesdk::vercel {

/// A tag that this provider adds; never shown.
inline constexpr std::string_view kCreateLabel = "computesdk-create";

/// The body of a create. Throws plugin::Error for what Vercel cannot do.
vendor::JsonValue createBody(const Settings& settings, const csdk_create_args& args);
/// Where it goes: one that names a runtime has another path.
std::string createPath(const Settings& settings, const vendor::JsonValue& body);

/// A sandbox as lists have it: its session is not told there.
vendor::SandboxResult resultOf(vendor::Json sandbox);
/// The same with what its session tells.
vendor::SandboxResult resultOf(vendor::Json sandbox, vendor::Json session);

/// All pages of a list, whose items are in the member `items`, as long as `each` says true.
void listPages(vendor::Session& session, const vendor::Api& control, const Settings& settings, std::string_view path,
               std::string_view items, const vendor::Query& query, const std::function<bool(vendor::Json)>& each);
/// Sandboxes; only those with that tag, when `key` is not empty.
void listSandboxes(vendor::Session& session, const vendor::Api& control, const Settings& settings, std::string_view key,
                   std::string_view value, const std::function<bool(vendor::Json)>& each);

/// Idempotent.
void destroySandbox(vendor::Session& session, const vendor::Api& control, const Settings& settings,
                    std::string_view name);

void createSnapshot(Machine& machine, const csdk_snapshot_args& args);
void listSnapshots(vendor::Session& session, const vendor::Api& control, const Settings& settings,
                   const csdk_snapshot_args& args);
void removeSnapshot(vendor::Session& session, const vendor::Api& control, const Settings& settings,
                    std::string_view id);

}  // namespace computesdk::vercel
