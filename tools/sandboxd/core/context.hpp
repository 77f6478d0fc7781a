// What every room of the daemon shares. One Context a sandbox: the main one, and one for each child sandbox that has a
// working directory, a URL, a hub and rooms of its own; the loop, the workers, the processes and the tokens are common.
#pragma once

#include <chrono>
#include <computesdk/result.hpp>
#include <computesdk/serving/loop.hpp>
#include <computesdk/serving/message.hpp>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <typeindex>
#include <utility>
#include <vector>

#include "core/spawn.hpp"
#include "core/workers.hpp"
#include "socket/hub.hpp"

namespace computesdk::sandboxd {

/// What the daemon was started with. Does not change afterwards.
struct Config {
  std::string version;           ///< "0.1.0"
  std::string accessToken;       ///< empty: everything is open (auth_enabled false)
  std::string listen;            ///< address, "127.0.0.1" unless said; empty: no TCP
  std::uint16_t port = 18080;    ///< 0: any free one
  std::string unixSocket;        ///< path; empty: none
  std::string baseUrl;           ///< as clients reach it, no slash at its end; filled in from the port when not given
  std::string workingDirectory;  ///< absolute
  std::string subdomain;         ///< name of the main sandbox
  std::string setup;             ///< JSON text of the setup payload, decoded; empty: none
  bool verbose = false;
};

/// Sizes that bound what clients can make the daemon hold.
struct Limits {
  std::size_t commandOutput = 64U << 20U;      ///< bytes kept of each stream of a command; more is dropped and told
  std::size_t finishedCommands = 100;          ///< finished commands kept of a terminal
  std::size_t finishedOutput = 64U << 20U;     ///< bytes of output that finished one-off commands may keep in all
  std::size_t terminals = 1024;                ///< terminals at a time; more: 429
  std::size_t replay = 64U << 10U;             ///< bytes of a PTY that a new subscriber hears again
  std::size_t body = 96U << 20U;               ///< bytes of a request body
  std::size_t bodies = 256U << 20U;            ///< bytes of all request bodies at a time; more: 503
  std::size_t connectionQueue = 8U << 20U;     ///< bytes that wait for one WebSocket client before it is dropped
  std::chrono::milliseconds startWait{60000};  ///< a streamed command that nobody starts is dropped after this
};

enum class TokenKind {
  none,     ///< not authenticated: 401
  access,   ///< the sandbox's access token
  session,  ///< a session token
};

/// Who asks.
struct Identity {
  TokenKind kind = TokenKind::none;
  std::string tokenId;                                                            ///< of a session token
  std::optional<std::chrono::system_clock::time_point> expiresAt = std::nullopt;  ///< of a session token
};

/// Judges who asks, by what the request carries (with authentication off all have TokenKind::access). On the loop's
/// thread, also for the upgrade to a WebSocket; must not block. TokenKind::none is answered with 401.
using Authenticator = std::function<Identity(const serving::Request& request)>;

/// Who asks, in a handler. TokenKind::none on open routes (Route::open()).
Identity identityOf(const serving::Request& request);

class Context;

/// The sandboxes of this daemon, the main one included. Thread-safe.
class Sandboxes {
 public:
  virtual ~Sandboxes() = default;
  /// Opens a child whose base URL is `<main base>/s/<subdomain>`: all rooms on a working directory of its own, which
  /// must exist. Error: alreadyExists.
  virtual Result<std::shared_ptr<Context>> add(const std::string& subdomain, const std::string& directory) = 0;
  /// Closes a child: its routes answer 404, its terminals, servers and watchers end, its processes are killed. False:
  /// there is none of this name, or it is the main one. Blocks until all is ended: from a worker, not from the loop.
  virtual bool remove(const std::string& subdomain) = 0;
  [[nodiscard]] virtual std::shared_ptr<Context> find(const std::string& subdomain) const = 0;
  /// Oldest first; the main one is the first.
  [[nodiscard]] virtual std::vector<std::shared_ptr<Context>> all() const = 0;
};

/// What all sandboxes of the program have in common; outlives every Context.
struct Shared {
  Config config;
  Limits limits;
  serving::Loop& loop;
  Workers& workers;
  Processes& processes;
  Authenticator authenticate;      ///< set by the auth room before the daemon listens; unset: everybody has access
  Sandboxes* sandboxes = nullptr;  ///< set before rooms are built
  std::map<std::string, std::string, std::less<>> environment;  ///< of the daemon, without its own secrets
};

/// Thread-safe apart from provide and onStop, which belong to the time in which rooms are built.
class Context {
 public:
  /// `directory` is absolute and exists.
  Context(Shared& shared, std::string subdomain, std::string directory, std::string baseUrl, bool isMain);
  ~Context();
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  [[nodiscard]] Shared& shared() const { return shared_; }
  [[nodiscard]] const Config& config() const { return shared_.config; }
  [[nodiscard]] const Limits& limits() const { return shared_.limits; }
  [[nodiscard]] serving::Loop& loop() const { return shared_.loop; }
  [[nodiscard]] Workers& workers() const { return shared_.workers; }
  [[nodiscard]] Processes& processes() const { return shared_.processes; }
  [[nodiscard]] Hub& hub() { return hub_; }

  [[nodiscard]] const std::string& subdomain() const { return subdomain_; }
  [[nodiscard]] const std::string& workingDirectory() const { return directory_; }
  [[nodiscard]] bool isMain() const { return isMain_; }
  /// RFC 3339.
  [[nodiscard]] const std::string& createdAt() const { return createdAt_; }

  /// How clients reach this sandbox, no slash at the end. Final once the daemon listens (the port may be chosen late).
  [[nodiscard]] std::string baseUrl() const;
  /// The same with ws or wss, and /ws: where a client finds the socket.
  [[nodiscard]] std::string socketUrl() const;
  /// How clients reach a port of the sandbox: `label-PORT.domain` for a host of labels, `<base>/p/PORT/` for a base
  /// with a path, the same address with the other port for an address or localhost.
  [[nodiscard]] std::string portUrl(int port) const;

  /// A path as a client gives it: absolute stays, the rest is below the working directory. Not normalised.
  [[nodiscard]] std::string resolve(std::string_view path) const;
  /// "KEY=value" of the daemon's environment with `added` over it; secrets of the daemon are not in it.
  [[nodiscard]] std::vector<std::string> environment(
      const std::vector<std::pair<std::string, std::string>>& added = {}) const;
  /// A new id: `prefix` and 16 hexadecimal digits of the kernel's random numbers.
  [[nodiscard]] static std::string newId(std::string_view prefix);

  /// Keeps an object of a room for other rooms, one of each type.
  template <typename T>
  void provide(std::shared_ptr<T> object) {
    const std::lock_guard lock(mutex_);
    objects_[std::type_index(typeid(T))] = std::move(object);
  }
  /// The object that a room provided, or nothing.
  template <typename T>
  [[nodiscard]] std::shared_ptr<T> find() const {
    const std::lock_guard lock(mutex_);
    const auto at = objects_.find(std::type_index(typeid(T)));
    return at == objects_.end() ? nullptr : std::static_pointer_cast<T>(at->second);
  }
  /// Calls `task` when the sandbox is closed (child removed, daemon ends), the last registered first, on a thread that
  /// may block, while the loop still runs: the place to end processes and forget timers and watches.
  void onStop(std::function<void()> task);
  /// Runs what onStop collected, once, and closes the hub's connections.
  void stop();

 private:
  Shared& shared_;
  const std::string subdomain_, directory_, createdAt_;
  const std::string ownUrl_;
  const bool isMain_;
  Hub hub_;
  mutable std::mutex mutex_;
  std::map<std::type_index, std::shared_ptr<void>> objects_;
  std::vector<std::function<void()>> stops_;
};

/// "2026-01-31T12:34:56.789Z".
std::string timestamp(std::chrono::system_clock::time_point time = std::chrono::system_clock::now());

}  // namespace computesdk::sandboxd
