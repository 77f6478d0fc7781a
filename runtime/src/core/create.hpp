#pragma once

#include <computesdk/sandbox_manager.hpp>

#include "core/sandbox_state.hpp"

#include <memory>
#include <string>
#include <vector>

namespace computesdk::detail {

/// A sandbox that was made and belongs to nobody yet.
struct Made {
  std::shared_ptr<registry::Provider> provider;
  registry::SandboxRecord record;
  bool remembered = false;
};

/// Errors: E_INVALID_ARGUMENT for what no provider could mean anything by.
Result<void> checkCreateOptions(const CreateOptions& options);
/// What the provider is asked for.
registry::CreateRequest requestFrom(const CreateOptions& options, const StringMap& extraMetadata);
/// Makes a sandbox on this provider; what was begun and not finished is destroyed, or kept for reap. `extra` is added
/// to the metadata.
Result<Made> createOn(Setup& setup, const std::shared_ptr<registry::Provider>& provider, const CreateOptions& options,
                      const StringMap& extra);
/// Ends a sandbox that is not wanted after all; what cannot be destroyed is kept for reap. Whether it is gone.
bool discard(Setup& setup, registry::Provider& provider, const registry::SandboxRecord& record) noexcept;
/// One error for several providers, one line each in `why`.
ErrorInfo combineErrors(std::string what, std::vector<ErrorInfo> errors);
/// Puts a made sandbox into a handle's state.
std::shared_ptr<SandboxState> adoptMade(const std::shared_ptr<Setup>& setup, Made made, Naming naming,
                                        const CreateOptions& options);

/// SandboxManager::create.
Result<Sandbox> createSandbox(const std::shared_ptr<Setup>& setup, const CreateOptions& options);

}  // namespace computesdk::detail
