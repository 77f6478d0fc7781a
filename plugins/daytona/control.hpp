#pragma once

#include "common/results.hpp"
#include "common/text.hpp"
#include "daytona/connection.hpp"
#include "daytona/settings.hpp"

#include <computesdk/provider/call.hpp>

#include <functional>
#include <string>
#include <string_view>

// Daytona's control plane: the life of sandboxes, snapshots.
namespace computesdk::daytona {

/// Label that says which create a sandbox came from; never shown, as the others that this provider sets.
inline constexpr std::string_view kCreateLabel = "computesdk-create";

/// The body of a create. Throws plugin::Error for what Daytona cannot do.
vendor::JsonValue createBody(const csdk_create_args& args, const Settings& settings);

/// A sandbox as every answer has it.
vendor::SandboxResult resultOf(vendor::Json sandbox);
/// The vendor's own object without the variables, which may be secrets of the user.
std::string nativeOf(vendor::Json sandbox);
/// It is on its way out or gone.
bool isGone(vendor::Json sandbox);

/// The sandbox, by id or name. Nothing when there is none. Changes nothing about it.
std::optional<vendor::JsonDocument> lookFor(vendor::Session& session, const vendor::Api& control, std::string_view id);
/// The same, but throws (GONE) when there is none.
vendor::JsonDocument askAbout(vendor::Session& session, const vendor::Api& control, std::string_view id);
/// Waits until the sandbox runs, and returns it. Throws when it cannot.
vendor::JsonDocument untilStarted(vendor::Session& session, const vendor::Api& control, std::string_view id);
/// Waits while it is on the way to `state` or from it: as long as `passing` says true.
vendor::JsonDocument untilNot(vendor::Session& session, const vendor::Api& control, std::string_view id,
                              const std::function<bool(std::string_view state)>& passing);
/// Starts one that does not run, and waits for it. One that runs is left alone.
vendor::JsonDocument wake(vendor::Session& session, const vendor::Api& control, std::string_view id);
/// A request to /sandbox/{id}/{verb}. Throws (GONE) for an unknown sandbox.
vendor::Answer post(vendor::Session& session, const vendor::Api& control, std::string_view id, std::string_view verb,
                    std::initializer_list<int> alsoGood = {});

/// All sandboxes that carry `labels`, as long as `each` says true; none that is on its way out.
void listSandboxes(vendor::Session& session, const vendor::Api& control, csdk_pairs labels,
                   const std::function<bool(vendor::Json)>& each);
/// Idempotent.
void destroySandbox(vendor::Session& session, const vendor::Api& control, std::string_view id);

void createSnapshot(vendor::Session& session, const vendor::Api& control, const csdk_snapshot_args& args);
void listSnapshots(vendor::Session& session, const vendor::Api& control, std::string_view sandboxId);
/// By id or name; of a template too, both are the same. Idempotent.
void removeSnapshot(vendor::Session& session, const vendor::Api& control, std::string_view id);
void listTemplates(vendor::Session& session, const vendor::Api& control);
/// Throws NOT_FOUND when there is none of that id or name.
void inspectTemplate(vendor::Session& session, const vendor::Api& control, std::string_view id);

/// A word that nobody else has.
std::string randomWord();

}  // namespace computesdk::daytona
