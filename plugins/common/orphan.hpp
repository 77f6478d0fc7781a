#pragma once

#include "common/session.hpp"

#include <functional>
#include <optional>
#include <string>
#include <vector>

// No paid sandbox is lost. A create of which it is unclear whether it took effect, or which is given up half-way, is
// followed by a search for what it left, by a label that it had set, and by its destruction.
namespace computesdk::vendor {

struct CreateSteps {
  /// Creates; sets `id` as soon as the vendor gave one. Throws plugin::Error.
  std::function<void(std::optional<std::string>& id)> create;
  /// Ids of sandboxes that carry this create's label. Throws plugin::Error.
  std::function<std::vector<std::string>()> find;
  /// Destroys; one that is gone is a success. Throws plugin::Error.
  std::function<void(const std::string& id)> destroy;
};

/// Runs `create`. When it fails with an id known, with a failure that leaves open what happened, or by cancellation:
/// undoes it within the time that the host leaves (Session::beginCleanup), and throws its failure with MAYBE_APPLIED,
/// and with ORPHAN_GONE when what was left is gone, or when several looks found nothing and the vendor had answered. A
/// failure that changed nothing is passed on as it is.
void createOrUndo(Session& session, const CreateSteps& steps);

}  // namespace computesdk::vendor
