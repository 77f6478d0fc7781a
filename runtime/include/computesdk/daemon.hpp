#pragma once

#include <computesdk/export.hpp>
#include <computesdk/result.hpp>
#include <computesdk/types.hpp>

#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>

namespace computesdk {

namespace detail {
class SandboxState;
}

/// What a daemon is started with. One that runs already keeps what it has.
struct DaemonOptions {
  std::string directory = {};  ///< its working directory, absolute; empty: the sandbox's own
  StringMap env = {};          ///< further variables of all that it starts
  std::string baseUrl = {};    ///< under which clients reach it, for its links; empty: its own port
  std::string setup = {};  ///< JSON {"overlays": […], "servers": […]}, applied once when it starts; may be empty
  std::string gatewayUrl = {};  ///< of the gateway in front of it; may be empty
  std::string token = {};       ///< its access token; empty: a random one. Secret
  std::stop_token stop = {};
};

/// A running daemon. `token` is secret.
struct DaemonAddress {
  std::uint16_t port = 0;  ///< inside the sandbox; Sandbox::dialPort and getPortUrl take it
  std::string token;       ///< access token: "Authorization: Bearer …"
  /// Where the provider says how the daemon is reached; empty: at `port`.
  std::string url;
  bool started = false;  ///< by this call
};

/// The daemon that gives a sandbox terminals, servers, watchers and the rest: a program that is put into the sandbox
/// and started when it is first needed. A small value that shares the sandbox's state; copy it freely. Thread-safe.
class COMPUTESDK_API Daemon {
 public:
  /// Sees to it that the daemon runs, and says where. Concurrent calls start one, also those of other processes. The
  /// program is checked by its SHA-256 in the sandbox. Asks the sandbox once; later calls answer from memory until
  /// `forget`. Errors: E_UNSUPPORTED when there is no program for the sandbox's processor, E_PRECONDITION when the
  /// sandbox has no folder in which a program may run, E_UNAVAILABLE when it does not start, and those of runCommand.
  DaemonAddress ensure(const DaemonOptions& options = {}) { return ensure(nothrow, options).value(); }
  Result<DaemonAddress> ensure(Nothrow, const DaemonOptions& options = {});
  /// After a failure to reach it: the next `ensure` asks the sandbox, and starts another if this one has died.
  void forget() noexcept;

 private:
  friend class Sandbox;
  explicit Daemon(std::shared_ptr<detail::SandboxState> state) : state_(std::move(state)) {}
  std::shared_ptr<detail::SandboxState> state_;
};

}  // namespace computesdk
