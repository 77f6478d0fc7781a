#pragma once

#include <computesdk/serving/byte_stream.hpp>

namespace computesdk::serving {

/// `stream` with `first` before what it reads; `stream` itself when there is nothing to put before it.
StreamPtr withPrefix(Loop& loop, StreamPtr stream, std::string first);

}  // namespace computesdk::serving
