#pragma once

#include "server.hpp"

namespace computesdk::simulators {

/// Carries a request, and all that its connection sends from then on, to `fd`, and back what comes from there, upgrades
/// and all, until either side is done. Closes `fd`; the client's connection ends too.
void carry(Exchange& exchange, int fd);

}  // namespace computesdk::simulators
