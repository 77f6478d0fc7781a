#pragma once

#include "machine.hpp"

namespace computesdk::simulators {

[[noreturn]] void raise(const ErrorInfo& error);

template <typename T>
T take(Result<T> result) {
  if (!result) raise(result.error());
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

}  // namespace computesdk::simulators
