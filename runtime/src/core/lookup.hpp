#pragma once

#include <computesdk/sandbox_manager.hpp>

#include "core/sandbox_state.hpp"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace computesdk::detail {

/// Finds a sandbox without waking it. Null when there is none.
Result<std::shared_ptr<SandboxState>> lookUp(const std::shared_ptr<Setup>& setup, std::string_view id,
                                             const LookupOptions& options);
Result<std::vector<SandboxInfo>> listSandboxes(Setup& setup, const ListOptions& options);
Result<void> destroyById(const std::shared_ptr<Setup>& setup, std::string_view id, const LookupOptions& options);
Result<std::vector<std::string>> reapSandboxes(Setup& setup, const std::stop_token& stop);

/// inspect with the runtime's time limit. E_NOT_FOUND and E_SANDBOX_GONE become "nothing".
Result<std::optional<registry::SandboxRecord>> inspectIfThere(registry::Provider& provider,
                                                              const registry::Target& target,
                                                              const std::stop_token& stop);

}  // namespace computesdk::detail
