#pragma once

#include "blaxel/control.hpp"

#include <string>
#include <string_view>

// Snapshots: they belong to the workspace, outlive the sandbox that they were made of, and sandboxes are made of them
// by forking.
namespace computesdk::blaxel {

/// Makes one and waits until it can be used.
void createSnapshot(vendor::Session& session, const vendor::Api& control, const csdk_snapshot_args& args);
/// Those of one sandbox, or all of the workspace.
void listSnapshots(vendor::Session& session, const vendor::Api& control, std::string_view sandbox);
/// Idempotent.
void removeSnapshot(vendor::Session& session, const vendor::Api& control, std::string_view id);

/// A sandbox of a snapshot begins as the fork of it; what a fork cannot be given, labels and time to live, it gets by
/// an update. `body`: of a create (createBody). Returns the sandbox, which may still be starting. `id` is set as soon
/// as there is one. Throws plugin::Error (NOT_FOUND) for a snapshot that is not there.
vendor::JsonDocument forkSnapshot(vendor::Session& session, const vendor::Api& control, const csdk_create_args& args,
                                  const vendor::JsonValue& body, const std::string& name,
                                  std::optional<std::string>& id);

}  // namespace computesdk::blaxel
