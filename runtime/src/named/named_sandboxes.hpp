#pragma once

#include <computesdk/sandbox_manager.hpp>

#include "core/sandbox_state.hpp"

#include <memory>
#include <optional>

namespace computesdk::detail {

/// SandboxManager::find.
Result<std::optional<Sandbox>> findNamed(const std::shared_ptr<Setup>& setup, const FindOptions& options);
/// SandboxManager::findOrCreate.
Result<Sandbox> findOrCreateNamed(const std::shared_ptr<Setup>& setup, const CreateOptions& options);

}  // namespace computesdk::detail
