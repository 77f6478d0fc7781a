#include "files/path_locks.hpp"

#include <array>
#include <functional>
#include <string>

#include "files/paths.hpp"

namespace computesdk::sandboxd {

std::unique_lock<std::mutex> lockPath(std::string_view absolute) {
  static std::array<std::mutex, 64> locks;
  return std::unique_lock(locks[std::hash<std::string>{}(normalPath(absolute)) % locks.size()]);
}

}  // namespace computesdk::sandboxd
