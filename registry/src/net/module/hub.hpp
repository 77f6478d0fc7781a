#pragma once

#include "pool.hpp"
#include "resolver.hpp"

#include <array>
#include <atomic>

namespace computesdk::net {

/// What all requests share: the event loop with its one thread, the resolver, the pool. Never destroyed.
struct Hub {
  Hub() : resolver(io), pool(io) {}

  /// Starts the thread with the first use. Null when there is none to be had.
  static Hub* instance();

  asio::io_context io{1};
  Resolver resolver;
  Pool pool;
  WireCounts bytes;
  std::atomic<std::uint64_t> requests{0}, connections{0};
  /// Where every read of HTTP goes: what was read is used up before anything else can run.
  std::array<std::byte, 64 * 1024> buffer;
};

}  // namespace computesdk::net
