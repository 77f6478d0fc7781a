#pragma once

#include "common/results.hpp"
#include "common/text.hpp"
#include "e2b/connection.hpp"

#include <computesdk/provider/call.hpp>

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// E2B's control plane: the life of sandboxes, snapshots, templates.
namespace computesdk::e2b {

/// Metadata that this provider adds; never shown.
inline constexpr std::string_view kCreateLabel = "computesdk-create";

/// The body of a create. Throws plugin::Error for what E2B cannot do.
vendor::JsonValue createBody(const csdk_create_args& args);

/// POST to a path below /v2, and where an older installation does not have that, to the same below /.
vendor::Answer postV2(vendor::Session& session, const vendor::Api& control, std::string_view path,
                      const vendor::JsonValue& body, const vendor::JsonValue& older,
                      std::initializer_list<int> alsoGood = {});

/// A sandbox as info and list have it.
vendor::SandboxResult resultOf(vendor::Json sandbox);
/// The vendor's own object without what is secret.
std::string nativeOf(vendor::Json sandbox);

/// All pages of sandboxes that carry `metadata`, as long as `each` says true.
void listSandboxes(vendor::Session& session, const vendor::Api& control, csdk_pairs metadata,
                   const std::function<bool(vendor::Json)>& each);
/// All pages of any list: items come in an array, the next page's mark in a header. False: an older installation, which
/// does not know the path.
bool listPages(vendor::Session& session, const vendor::Api& control, const std::string& path,
               const vendor::Query& query, std::string_view operation, const std::function<bool(vendor::Json)>& each);

/// Idempotent.
void destroySandbox(vendor::Session& session, const vendor::Api& control, std::string_view id);

void createSnapshot(vendor::Session& session, const vendor::Api& control, const csdk_snapshot_args& args);
void listSnapshots(vendor::Session& session, const vendor::Api& control, const csdk_snapshot_args& args);
/// Of a snapshot too: both are templates. Idempotent.
void removeTemplate(vendor::Session& session, const vendor::Api& control, std::string_view id);
/// With `id`: only that one, by id or name; throws NOT_FOUND when there is none.
void listTemplates(vendor::Session& session, const vendor::Api& control, std::string_view id);

}  // namespace computesdk::e2b
