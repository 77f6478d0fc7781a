#include "servers/lifecycle.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <initializer_list>

namespace computesdk::sandboxd {
namespace {

constexpr std::array<std::string_view, 7> kStatusNames = {"installing", "starting", "running",   "ready",
                                                          "failed",     "stopped",  "restarting"};
constexpr std::array<std::string_view, 3> kPolicyNames = {"never", "on-failure", "always"};

template <typename Enum, std::size_t Count>
std::optional<Enum> named(const std::array<std::string_view, Count>& names, std::string_view name) noexcept {
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end()) return std::nullopt;
  return static_cast<Enum>(found - names.begin());
}

}  // namespace

std::string_view statusName(ServerStatus status) noexcept { return kStatusNames[static_cast<std::size_t>(status)]; }
std::optional<ServerStatus> statusFromName(std::string_view name) noexcept {
  return named<ServerStatus>(kStatusNames, name);
}
std::string_view policyName(RestartPolicy policy) noexcept { return kPolicyNames[static_cast<std::size_t>(policy)]; }
std::optional<RestartPolicy> policyFromName(std::string_view name) noexcept {
  return named<RestartPolicy>(kPolicyNames, name);
}

Lifecycle::Action Lifecycle::begin() {
  if (phase_ == Phase::idle) {
    restarts_ = 0;
    return launch();
  }
  return Action::none;
}

Lifecycle::Action Lifecycle::launch() {
  after_ = After::policy;
  exitCode_.reset();
  restartAt_.reset();
  if (options_.install && !installed_) {
    phase_ = Phase::installing;
    status_ = ServerStatus::installing;
    return Action::install;
  }
  phase_ = Phase::serving;
  status_ = ServerStatus::starting;
  return Action::start;
}

Lifecycle::Action Lifecycle::launched() {
  if (phase_ == Phase::serving && status_ == ServerStatus::starting) status_ = ServerStatus::running;
  return Action::none;
}

void Lifecycle::launchFailed() { rest(ServerStatus::failed); }

void Lifecycle::rest(ServerStatus status) {
  phase_ = Phase::idle;
  status_ = status;
  healthy_ = false;
  killAt_.reset();
  restartAt_.reset();
  checkAt_.reset();
}

Lifecycle::Action Lifecycle::ended(int exitCode, Time now) {
  if (!alive()) return Action::none;
  const bool wasInstall = phase_ == Phase::installing;
  killAt_.reset();
  checkAt_.reset();
  healthy_ = false;
  failedChecks_ = 0;
  exitCode_ = exitCode;
  if (wasInstall && exitCode == 0) installed_ = true;
  if (after_ == After::stay) {
    rest(ServerStatus::stopped);
    return Action::none;
  }
  if (after_ == After::again) return launch();
  if (wasInstall) {
    if (installed_) return launch();
    rest(ServerStatus::failed);
    return Action::none;
  }
  const bool wanted =
      options_.policy == RestartPolicy::always || (options_.policy == RestartPolicy::onFailure && exitCode != 0);
  if (!wanted || (options_.maxRestarts != 0 && restarts_ >= options_.maxRestarts)) {
    rest(exitCode == 0 ? ServerStatus::stopped : ServerStatus::failed);
    return Action::none;
  }
  ++restarts_;
  phase_ = Phase::waiting;
  status_ = ServerStatus::restarting;
  restartAt_ = now + options_.restartDelay;
  return Action::none;
}

Lifecycle::Action Lifecycle::terminate(After after, Time now) {
  const bool first = after_ == After::policy;
  after_ = after;
  checkAt_.reset();
  if (!first) return Action::none;
  killAt_ = now + options_.stopTimeout;
  return Action::terminate;
}

Lifecycle::Action Lifecycle::stop(Time now) {
  if (alive()) return terminate(After::stay, now);
  rest(ServerStatus::stopped);
  return Action::none;
}

Lifecycle::Action Lifecycle::restart(Time now) {
  restarts_ = 0;
  if (!alive()) return launch();
  status_ = ServerStatus::restarting;
  return terminate(After::again, now);
}

void Lifecycle::portOpened(Time now) {
  if (phase_ != Phase::serving || after_ != After::policy) return;
  if (!options_.health) {
    status_ = ServerStatus::ready;
  } else if (!checkAt_) {
    checkAt_ = now + options_.health->delay;
  }
}

void Lifecycle::checked(bool passed, Time now) {
  if (phase_ != Phase::serving || after_ != After::policy || !options_.health) return;
  healthy_ = passed;
  failedChecks_ = passed ? 0 : failedChecks_ + 1;
  if (passed && status_ == ServerStatus::running) status_ = ServerStatus::ready;
  checkAt_ = now + options_.health->interval;
}

Lifecycle::Action Lifecycle::tick(Time now) {
  if (killAt_ && *killAt_ <= now) {
    killAt_.reset();
    return Action::kill;
  }
  if (restartAt_ && *restartAt_ <= now) return launch();
  if (checkAt_ && *checkAt_ <= now) {
    checkAt_.reset();
    return Action::check;
  }
  return Action::none;
}

std::optional<Lifecycle::Time> Lifecycle::wake() const {
  std::optional<Time> first;
  for (const auto& due : {killAt_, restartAt_, checkAt_}) {
    if (due && (!first || *due < *first)) first = due;
  }
  return first;
}

}  // namespace computesdk::sandboxd
