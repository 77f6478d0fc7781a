#pragma once

#include <computesdk/result.hpp>

#include <filesystem>
#include <string>

namespace computesdk::detail {

/// Makes `folder` and its missing parents with mode 0700; one that is there must not be writable by others, who could
/// put sandboxes and tokens of theirs in the place of ours. `what` begins the error. Errors: E_STORE.
Result<void> makePrivateFolder(const std::filesystem::path& folder, const std::string& what);

}  // namespace computesdk::detail
