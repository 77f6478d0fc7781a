#pragma once

#include <chrono>
#include <computesdk/serving/loop.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/context.hpp"
#include "core/utf8.hpp"
#include "servers/health_probe.hpp"
#include "servers/lifecycle.hpp"
#include "servers/log_ring.hpp"
#include "servers/server_spec.hpp"

namespace computesdk::sandboxd {

/// A supervised server: its lifecycle, tied to processes, pipes, timers and health checks. Loop's thread only.
class ManagedServer : public std::enable_shared_from_this<ManagedServer> {
 public:
  ManagedServer(Context& context, ServerSpec spec);
  ManagedServer(const ManagedServer&) = delete;
  ManagedServer& operator=(const ManagedServer&) = delete;

  /// Starts it once the overlays that it depends on are complete.
  void begin();
  /// `then` is called when nothing of it runs any more; at once if nothing does.
  void stop(std::function<void()> then);
  /// `then` is called when the new process runs (or could not be started, or is being installed).
  void restart(std::function<void()> then);
  void override(ServerStatus status);
  /// SIGKILL to everything of it, and nothing is started again. `then` as for stop.
  void kill(std::function<void()> then);

  /// It runs, is about to, or will be started again by itself.
  [[nodiscard]] bool live() const { return waitingFor_ > 0 || !life_.idle(); }
  /// Somebody waits for its end.
  [[nodiscard]] bool ending() const { return !whenIdle_.empty(); }
  /// The process of which ports are to be looked for, if there is one.
  [[nodiscard]] std::shared_ptr<Process> serving() const;
  /// A port has been found.
  [[nodiscard]] bool reachable() const { return !url_.empty(); }
  /// When serving() was started.
  [[nodiscard]] std::chrono::steady_clock::time_point launchedAt() const { return launchedAt_; }
  /// The ports on which `process` listens.
  void portsFound(const std::shared_ptr<Process>& process, const std::set<std::uint16_t>& ports);

  [[nodiscard]] const ServerSpec& spec() const { return spec_; }
  [[nodiscard]] ServerStatus status() const;
  [[nodiscard]] bool healthy() const { return life_.healthy(); }
  /// The port that is told: where it listens, or will be asked to.
  [[nodiscard]] std::optional<std::uint16_t> port() const { return port_ ? port_ : spec_.port; }
  /// ServerInfo of both clients.
  [[nodiscard]] std::string json() const;
  /// {slug, port?, url?, status, healthy?, health_check?}
  [[nodiscard]] std::string summary() const;
  /// "stdout", "stderr" or "combined".
  [[nodiscard]] std::string log(std::string_view stream) const;

 private:
  void launchWhenReady();
  void act(Lifecycle::Action action);
  void launch(const std::string& command);
  void launchFailed(const ErrorInfo& info);
  void exited(const ExitStatus& exit);
  void gone();
  void check();
  void overlayDone(const OverlayInfo& overlay);
  void changed();
  std::string healthStatus() const;

  Context& context_;
  ServerSpec spec_;
  Lifecycle life_;
  ServerLog log_;
  Utf8Stream out_, err_;
  std::string createdAt_, updatedAt_;
  std::shared_ptr<Process> process_;
  std::chrono::steady_clock::time_point launchedAt_{};
  int exitCode_ = 0;
  bool begun_ = false;  ///< the overlays that it depends on have been waited for
  std::optional<std::uint16_t> port_;
  std::string url_;
  std::size_t waitingFor_ = 0;  ///< overlays that are being copied
  std::string overlayFailure_;
  std::string lastCheck_;
  std::optional<int> lastStatus_;
  std::vector<std::function<void()>> whenIdle_, whenLaunched_;
  std::unique_ptr<HealthProbe> probe_;
  serving::Timer timer_;
};

}  // namespace computesdk::sandboxd
