#pragma once

#include <computesdk/result.hpp>
#include <string>

namespace computesdk::sandboxd {

/// Removes what is at `path`: a file, a link (not what it points to), or a directory with all that is in it. Any depth,
/// with two descriptors. E_FILE_NOT_FOUND with `File not found: <path>`; E_INVALID_ARGUMENT for the root.
Result<void> removeTree(const std::string& path);

}  // namespace computesdk::sandboxd
