// The folder in which living sandboxes of one user are found by his other processes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "result.hpp"
#include "unique_fd.hpp"

namespace computesdk::local {

// Opens (and makes) the folder: `wanted`, else $XDG_RUNTIME_DIR/computesdk/local, else /tmp/computesdk-UID/local.
// Refused when any part of it that must be ours is another user's or open to others.
Result<UniqueFd> openRegistry(const std::string& wanted);

enum class EntryState : std::uint8_t { kLiving, kStale, kAbsent };
// Looks at the lock of one entry.
EntryState entryState(int registry, const std::string& id);
// Removes an entry whose launcher is gone. Does nothing to a living one.
void removeStale(int registry, const std::string& id);
// Names of all entries, sorted; removes stale ones and abandoned beginnings on the way.
std::vector<std::string> livingEntries(int registry);

}  // namespace computesdk::local
