#pragma once

#include <computesdk/result.hpp>
#include <cstdint>
#include <memory>
#include <vector>

#include "core/options.hpp"
#include "core/sandbox_routes.hpp"

namespace computesdk::sandboxd {

/// A whole daemon: loop, server, sandboxes. Built, opened, stopped once each, by one thread.
class Daemon {
 public:
  Daemon(Config config, Environment environment, Limits limits = {});
  /// Stops as stop() does.
  ~Daemon();
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

  /// Builds the main sandbox with these rooms and listens. Errors: E_NETWORK, E_INVALID_ARGUMENT.
  Result<void> open(std::vector<RoomBuilder> rooms);
  /// 0 without TCP. After open().
  [[nodiscard]] std::uint16_t port() const;
  [[nodiscard]] Shared& shared();
  /// The main sandbox. After open().
  [[nodiscard]] Context& main();
  /// Ends everything: answers that are owed, connections, processes. Takes some seconds at most.
  void stop();

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace computesdk::sandboxd
