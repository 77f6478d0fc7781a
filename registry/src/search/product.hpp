#pragma once

#include <sys/types.h>

#include <filesystem>
#include <set>

namespace computesdk::registry {

/// The running library or program that this code is part of.
struct Product {
  std::filesystem::path object;   ///< its file, absolute; empty when the system does not say
  std::filesystem::path folder;   ///< of its providers: <folder of object>/../lib/computesdk/providers
  uid_t owner = 0;                ///< of the object
  std::set<gid_t> writingGroups;  ///< that may write the object or a folder above it
};

/// Looked up once a process. Thread-safe.
const Product& product();

}  // namespace computesdk::registry
