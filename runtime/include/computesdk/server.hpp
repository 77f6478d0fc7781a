#pragma once

#include <computesdk/export.hpp>
#include <computesdk/result.hpp>
#include <computesdk/types.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

namespace computesdk {

namespace detail {
class SandboxState;
}

enum class ServerStatus { unknown, installing, starting, running, ready, failed, stopped, restarting };
COMPUTESDK_API std::string_view toString(ServerStatus status) noexcept;
enum class RestartPolicy { never, onFailure, always };
enum class ServerLogStream { combined, standardOutput, standardError };

/// Any answer 2xx or 3xx passes.
struct HealthCheck {
  std::string path = "/";
  std::chrono::milliseconds interval{2000};
  std::chrono::milliseconds timeout{1500};
  std::chrono::milliseconds delay{5000};  ///< before the first
};

struct ServerOptions {
  std::string slug = {};     ///< its name: letters, digits, `.`, `_`, `-`
  std::string start = {};    ///< shell command
  std::string install = {};  ///< shell command that runs once before it
  std::string path = {};     ///< folder; empty: the working directory
  std::string envFile = {};  ///< read before `environment` is added
  StringMap environment = {};
  std::uint16_t port = 0;   ///< given as PORT; 0: none. The next free one if it is taken
  bool strictPort = false;  ///< E_CONFLICT if it is taken
  bool autostart = true;
  std::vector<std::string> dependsOn = {};  ///< ids of overlays
  RestartPolicy restartPolicy = RestartPolicy::never;
  int maxRestarts = 0;  ///< 0: no limit
  std::chrono::milliseconds restartDelay{1000};
  std::chrono::milliseconds stopTimeout{10000};  ///< from SIGTERM to SIGKILL
  std::optional<HealthCheck> healthCheck = {};
  std::stop_token stop = {};
};

struct ServerInfo {
  std::string slug;
  std::string start;
  std::string install;
  std::string path;  ///< absolute
  ServerStatus status = ServerStatus::unknown;
  std::uint16_t port = 0;  ///< on which it listens; 0: not known yet
  std::string url;
  std::int64_t pid = 0;
  int restartCount = 0;
  std::optional<int> exitCode;
  std::optional<bool> healthy;
  std::optional<SystemTime> createdAt;
  std::optional<SystemTime> updatedAt;
};

/// Supervised servers of one sandbox: sandbox.server(). A small value that shares the sandbox's state. Thread-safe.
/// Errors of all: E_NOT_FOUND for an unknown slug, and those of Daemon::ensure.
class COMPUTESDK_API Servers {
 public:
  /// Answers as soon as it is begun; `retrieve` tells how it goes on. E_INVALID_ARGUMENT for a slug of other letters,
  /// E_CONFLICT for one that is in use.
  ServerInfo start(const ServerOptions& options) { return start(nothrow, options).value(); }
  Result<ServerInfo> start(Nothrow, const ServerOptions& options);
  std::vector<ServerInfo> list(std::stop_token stop = {}) { return list(nothrow, std::move(stop)).value(); }
  Result<std::vector<ServerInfo>> list(Nothrow, std::stop_token stop = {});
  ServerInfo retrieve(std::string_view slug, std::stop_token stop = {}) {
    return retrieve(nothrow, slug, std::move(stop)).value();
  }
  Result<ServerInfo> retrieve(Nothrow, std::string_view slug, std::stop_token stop = {});
  /// Ends it and keeps its configuration. Waits for its end.
  void stop(std::string_view slug, std::stop_token stop = {}) { this->stop(nothrow, slug, std::move(stop)).value(); }
  Result<void> stop(Nothrow, std::string_view slug, std::stop_token stop = {});
  /// Ends it and forgets it.
  void remove(std::string_view slug, std::stop_token stop = {}) { remove(nothrow, slug, std::move(stop)).value(); }
  Result<void> remove(Nothrow, std::string_view slug, std::stop_token stop = {});
  ServerInfo restart(std::string_view slug, std::stop_token stop = {}) {
    return restart(nothrow, slug, std::move(stop)).value();
  }
  Result<ServerInfo> restart(Nothrow, std::string_view slug, std::stop_token stop = {});
  /// Says how it is, where that cannot be seen from outside.
  void updateStatus(std::string_view slug, ServerStatus status, std::stop_token stop = {}) {
    updateStatus(nothrow, slug, status, std::move(stop)).value();
  }
  Result<void> updateStatus(Nothrow, std::string_view slug, ServerStatus status, std::stop_token stop = {});
  /// What it printed lately.
  std::string logs(std::string_view slug, ServerLogStream stream = ServerLogStream::combined,
                   std::stop_token stop = {}) {
    return logs(nothrow, slug, stream, std::move(stop)).value();
  }
  Result<std::string> logs(Nothrow, std::string_view slug, ServerLogStream stream = ServerLogStream::combined,
                           std::stop_token stop = {});

 private:
  friend class Sandbox;
  explicit Servers(std::shared_ptr<detail::SandboxState> sandbox) : sandbox_(std::move(sandbox)) {}
  std::shared_ptr<detail::SandboxState> sandbox_;
};

}  // namespace computesdk
