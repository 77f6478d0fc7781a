#pragma once

#include <sys/stat.h>

#include <computesdk/result.hpp>
#include <cstddef>
#include <string>
#include <vector>

#include "files/paths.hpp"

namespace computesdk::sandboxd {

/// What the API says of a file or directory: {name, path, size, is_dir, modified_at} as JSON text. `asked` is the path
/// that the client named.
std::string fileInfoJson(const std::string& asked, const struct stat& info);

/// The same for what is there now; links are followed. E_FILE_NOT_FOUND with `File not found: <path>`.
Result<std::string> fileInfo(const AskedPath& path);

/// The direct children of a folder, sorted by name, as `[FileInfo, …]`; links to nothing are told as they are.
/// E_FILE_NOT_FOUND with `Directory not found: <path>`; E_INVALID_ARGUMENT when it is no folder.
Result<std::string> listFolder(const AskedPath& path);

}  // namespace computesdk::sandboxd
