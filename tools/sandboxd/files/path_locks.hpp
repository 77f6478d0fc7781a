#pragma once

#include <mutex>
#include <string_view>

namespace computesdk::sandboxd {

/// Keeps two requests from changing the same path at the same time. One for the whole program, since all sandboxes of a
/// daemon see one file tree. Different paths may wait for each other; hold one lock at a time.
std::unique_lock<std::mutex> lockPath(std::string_view absolute);

}  // namespace computesdk::sandboxd
