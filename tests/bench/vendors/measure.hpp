#pragma once

#include "world.hpp"

namespace computesdk::bench {

/// Measures one vendor in one placement, in a process of its own, and prints METRIC VALUE lines whose names begin with
/// `prefix`. `samples`: pairs of execs that are compared. Throws when anything fails.
void measure(conformance::World& world, const std::string& prefix, int samples);

}  // namespace computesdk::bench
