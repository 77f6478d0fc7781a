// The life of a supervised server as a state machine without processes, sockets or a clock of its own: it is told what
// happened and when, and says what to do next.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>

namespace computesdk::sandboxd {

enum class ServerStatus { installing, starting, running, ready, failed, stopped, restarting };
enum class RestartPolicy { never, onFailure, always };

std::string_view statusName(ServerStatus status) noexcept;
std::optional<ServerStatus> statusFromName(std::string_view name) noexcept;
std::string_view policyName(RestartPolicy policy) noexcept;
std::optional<RestartPolicy> policyFromName(std::string_view name) noexcept;

struct HealthTimes {
  std::chrono::milliseconds interval{2000};
  std::chrono::milliseconds delay{5000};  ///< from the port's detection to the first check
};

struct LifecycleOptions {
  bool install = false;
  RestartPolicy policy = RestartPolicy::never;
  std::uint32_t maxRestarts = 0;  ///< 0: no limit
  std::chrono::milliseconds restartDelay{1000};
  std::chrono::milliseconds stopTimeout{10000};
  std::optional<HealthTimes> health;
};

/// Not thread-safe; times never run backwards.
class Lifecycle {
 public:
  using Time = std::chrono::steady_clock::time_point;
  /// What the caller has to do now. `install` and `start` are answered by launched or launchFailed, and later by ended.
  enum class Action { none, install, start, terminate, kill, check };

  explicit Lifecycle(const LifecycleOptions& options) : options_(options) {}

  /// The user wants it to run, from stopped or failed. The install command runs once, before the first start.
  Action begin();
  Action launched();
  void launchFailed();
  /// The process and everything that it started are gone.
  Action ended(int exitCode, Time now);
  /// The user wants it to stop and stay so.
  Action stop(Time now);
  /// The user wants a new process, whatever runs now.
  Action restart(Time now);
  /// A port of the server began to listen.
  void portOpened(Time now);
  /// What a health check found. A result that arrives after the process ended is ignored.
  void checked(bool passed, Time now);
  /// Something that wake() announced is due.
  Action tick(Time now);
  /// When tick wants to be called, or nothing.
  [[nodiscard]] std::optional<Time> wake() const;
  /// Somebody else knows better. Changes what is shown; what happens next follows the process as before.
  void override(ServerStatus status) { status_ = status; }

  [[nodiscard]] ServerStatus status() const { return status_; }
  /// A process (install or server) runs or is being started.
  [[nodiscard]] bool alive() const { return phase_ == Phase::installing || phase_ == Phase::serving; }
  [[nodiscard]] bool installing() const { return phase_ == Phase::installing; }
  /// The user has asked for its end, and it has not come yet.
  [[nodiscard]] bool stopping() const { return alive() && after_ != After::policy; }
  /// Neither runs nor will by itself.
  [[nodiscard]] bool idle() const { return phase_ == Phase::idle; }
  [[nodiscard]] std::optional<int> exitCode() const { return exitCode_; }
  [[nodiscard]] std::uint32_t restarts() const { return restarts_; }
  [[nodiscard]] bool healthy() const { return healthy_; }
  [[nodiscard]] std::uint32_t failedChecks() const { return failedChecks_; }

 private:
  enum class Phase { idle, installing, serving, waiting };
  enum class After { policy, stay, again };

  Action launch();
  Action terminate(After after, Time now);
  void rest(ServerStatus status);

  LifecycleOptions options_;
  Phase phase_ = Phase::idle;
  After after_ = After::policy;
  ServerStatus status_ = ServerStatus::stopped;
  bool installed_ = false;
  bool healthy_ = false;
  std::uint32_t failedChecks_ = 0;
  std::uint32_t restarts_ = 0;
  std::optional<int> exitCode_;
  std::optional<Time> killAt_, restartAt_, checkAt_;
};

}  // namespace computesdk::sandboxd
