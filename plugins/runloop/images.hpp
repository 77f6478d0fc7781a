#pragma once

#include "runloop/devbox.hpp"

// What devboxes are made of: disk snapshots and blueprints.
namespace computesdk::runloop {

void createSnapshot(Devbox& devbox, const csdk_snapshot_args& args);
void listSnapshots(vendor::Session& session, const vendor::Api& api, const csdk_snapshot_args& args);
/// Idempotent.
void removeSnapshot(vendor::Session& session, const vendor::Api& api, std::string_view id);

void listBlueprints(vendor::Session& session, const vendor::Api& api);
/// By id or name, of which the newest counts. Throws NOT_FOUND when there is none.
void emitBlueprint(vendor::Session& session, const vendor::Api& api, std::string_view id);
/// Waits until it is built.
void buildBlueprint(vendor::Session& session, const vendor::Api& api, const csdk_template_args& args);
/// Idempotent.
void removeBlueprint(vendor::Session& session, const vendor::Api& api, std::string_view id);

}  // namespace computesdk::runloop
