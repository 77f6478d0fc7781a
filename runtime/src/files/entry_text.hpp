#pragma once

#include <computesdk/types.hpp>

#include <optional>
#include <string_view>
#include <vector>

namespace computesdk::detail {

/// Reads what the listing script writes, as base64: for each entry "MODE(hex) SIZE MTIME OWNER GROUP\n", the name and a
/// NUL, the link's target and a NUL. Nothing when it is anything else. Sorted by name.
std::optional<std::vector<FileEntry>> parseEntries(std::string_view base64);

}  // namespace computesdk::detail
