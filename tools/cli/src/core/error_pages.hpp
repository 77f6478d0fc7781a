#pragma once

#include <computesdk/error.hpp>

#include <string_view>

namespace computesdk::cli {

/// The page docs/errors/E_CODE.md, as it was when the program was built. Thread-safe.
std::string_view errorPage(ErrorCode code) noexcept;

}  // namespace computesdk::cli
