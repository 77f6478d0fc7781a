#include "servers/managed_server.hpp"

#include <algorithm>
#include <csignal>
#include <utility>

#include "core/answer.hpp"
#include "overlays/overlays.hpp"

namespace computesdk::sandboxd {
namespace {

void callAll(std::vector<std::function<void()>>& waiting) {
  for (const auto& task : std::exchange(waiting, {})) task();
}

std::int64_t nanoseconds(std::chrono::milliseconds time) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(time).count();
}

}  // namespace

ManagedServer::ManagedServer(Context& context, ServerSpec spec)
    : context_(context),
      spec_(std::move(spec)),
      life_(spec_.lifecycle()),
      createdAt_(timestamp()),
      updatedAt_(createdAt_) {}

void ManagedServer::begin() {
  if (live()) return;
  begun_ = true;
  overlayFailure_.clear();
  const auto overlays = context_.find<Overlays>();
  waitingFor_ = overlays ? spec_.dependsOn.size() : 0;
  if (waitingFor_ == 0) return launchWhenReady();
  for (const std::string& id : spec_.dependsOn) {
    // The copying thread calls; the server may be gone by then.
    overlays->whenDone(id, [weak = weak_from_this(), &loop = context_.loop()](const OverlayInfo& overlay) {
      loop.post([weak, overlay] {
        if (const auto self = weak.lock()) self->overlayDone(overlay);
      });
    });
  }
  changed();
}

void ManagedServer::overlayDone(const OverlayInfo& overlay) {
  if (waitingFor_ == 0) return;  // stopped in the meantime
  if (overlay.status == OverlayStatus::kFailed) {
    overlayFailure_ = "overlay " + overlay.id + " failed: " + overlay.error;
  }
  if (--waitingFor_ == 0) launchWhenReady();
}

void ManagedServer::launchWhenReady() {
  if (overlayFailure_.empty()) return act(life_.begin());
  life_.begin();
  launchFailed(invalid("an overlay that it depends on is not complete", overlayFailure_));
}

ServerStatus ManagedServer::status() const {
  // While overlays are copied its life has not begun.
  return waitingFor_ > 0 && life_.idle() ? ServerStatus::starting : life_.status();
}

void ManagedServer::stop(std::function<void()> then) {
  whenIdle_.push_back(std::move(then));
  waitingFor_ = 0;
  act(life_.stop(std::chrono::steady_clock::now()));
}

void ManagedServer::kill(std::function<void()> then) {
  stop(std::move(then));
  if (process_) process_->kill();
}

void ManagedServer::restart(std::function<void()> then) {
  whenLaunched_.push_back(std::move(then));
  if (!begun_) {
    begin();
  } else if (waitingFor_ == 0) {
    act(life_.restart(std::chrono::steady_clock::now()));
  }
  // Copies take their time: whoever asks hears that it is starting.
  if (waitingFor_ > 0) callAll(whenLaunched_);
}

void ManagedServer::override(ServerStatus status) {
  life_.override(status);
  changed();
}

void ManagedServer::act(Lifecycle::Action action) {
  switch (action) {
    case Lifecycle::Action::install: return launch(spec_.install);
    case Lifecycle::Action::start: return launch(spec_.start);
    case Lifecycle::Action::terminate:
      if (process_) process_->signal(SIGTERM);
      break;
    case Lifecycle::Action::kill:
      if (process_) process_->kill();
      break;
    case Lifecycle::Action::check: check(); break;
    case Lifecycle::Action::none: break;
  }
  changed();
}

void ManagedServer::launch(const std::string& command) {
  port_.reset();
  url_.clear();
  const auto variables = serverVariables(spec_);
  if (!variables) return launchFailed(variables.error());
  SpawnOptions options;
  options.argv = {"/bin/sh", "-c", command};
  options.env = context_.environment(*variables);
  options.cwd = spec_.path;
  const auto weak = weak_from_this();
  options.onStdout = [weak](std::string_view bytes) {
    if (const auto self = weak.lock()) self->log_.appendOut(self->out_.take(bytes));
  };
  options.onStderr = [weak](std::string_view bytes) {
    if (const auto self = weak.lock()) self->log_.appendErr(self->err_.take(bytes));
  };
  options.onExit = [weak](const ExitStatus& exit) {
    if (const auto self = weak.lock()) self->exited(exit);
  };
  options.onGone = [weak] {
    if (const auto self = weak.lock()) self->gone();
  };
  auto spawned = context_.processes().spawn(std::move(options));
  if (!spawned) return launchFailed(spawned.error());
  process_ = std::move(*spawned);
  launchedAt_ = std::chrono::steady_clock::now();
  life_.launched();
  callAll(whenLaunched_);
  changed();
}

void ManagedServer::launchFailed(const ErrorInfo& info) {
  log_.appendErr("cannot start " + spec_.slug + ": " + info.firstLine() + "\n");
  process_.reset();
  life_.launchFailed();
  callAll(whenLaunched_);
  changed();
}

void ManagedServer::exited(const ExitStatus& exit) {
  exitCode_ = exit.code;
  log_.appendOut(out_.finish());
  log_.appendErr(err_.finish());
  // A command that ends well may have put its server in the background: that is the server then. What a failed one or
  // an install leaves behind would stand in the way of the next start. What is being stopped has its time to end well.
  if ((exit.code != 0 || life_.installing()) && !life_.stopping() && process_) process_->kill();
}

void ManagedServer::gone() {
  process_.reset();
  probe_.reset();
  port_.reset();
  url_.clear();
  act(life_.ended(exitCode_, std::chrono::steady_clock::now()));
}

std::shared_ptr<Process> ManagedServer::serving() const {
  return life_.alive() && !life_.installing() ? process_ : nullptr;
}

void ManagedServer::portsFound(const std::shared_ptr<Process>& process, const std::set<std::uint16_t>& ports) {
  if (process != process_ || !process_ || ports.empty()) return;
  std::uint16_t best = *ports.begin();
  if (spec_.port && ports.contains(*spec_.port)) {
    best = *spec_.port;
  } else if (port_ && ports.contains(*port_)) {
    best = *port_;
  }
  if (port_ == best) return;
  port_ = best;
  url_ = context_.portUrl(best);
  life_.portOpened(std::chrono::steady_clock::now());
  changed();
}

void ManagedServer::check() {
  if (!port_ || !spec_.health) return;
  probe_ = std::make_unique<HealthProbe>(
      context_.loop(), HealthProbe::Target{*port_, spec_.health->path, spec_.health->timeout},
      [this](std::optional<int> answer) {
        lastCheck_ = timestamp();
        lastStatus_ = answer;
        life_.checked(answer && *answer >= 200 && *answer < 400, std::chrono::steady_clock::now());
        changed();
      });
}

void ManagedServer::changed() {
  updatedAt_ = timestamp();
  timer_.cancel();
  if (const auto due = life_.wake()) {
    // Timers count whole milliseconds: one that comes a little early would be set again and again.
    const auto delay = std::chrono::ceil<std::chrono::milliseconds>(*due - std::chrono::steady_clock::now());
    timer_ = context_.loop().after(std::max(delay, std::chrono::milliseconds(0)), [weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->act(self->life_.tick(std::chrono::steady_clock::now()));
    });
  }
  if (!live()) {
    callAll(whenLaunched_);
    callAll(whenIdle_);
  }
}

std::string ManagedServer::healthStatus() const {
  JsonObject object;
  object.textIfAny("last_check", lastCheck_).numberIfAny("last_status", lastStatus_);
  return object.number("consecutive_failures", life_.failedChecks()).str();
}

std::string ManagedServer::json() const {
  JsonObject object;
  object.text("slug", spec_.slug).text("start", spec_.start).text("command", spec_.start);
  object.textIfAny("install", spec_.install).text("path", spec_.path);
  if (spec_.originalPath) object.text("original_path", *spec_.originalPath);
  if (spec_.envFile) object.text("env_file", *spec_.envFile);
  if (!spec_.environment.empty()) {
    JsonObject variables;
    for (const auto& [name, value] : spec_.environment) variables.text(name, value);
    object.raw("environment", variables.str());
  }
  object.boolean("autostart", spec_.autostart).boolean("strict_port", spec_.strictPort);
  if (!spec_.dependsOn.empty()) object.raw("depends_on", jsonStrings(spec_.dependsOn));
  object.numberIfAny("port", port()).textIfAny("url", url_).text("status", statusName(status()));
  if (process_) object.number("pid", process_->pid());
  object.text("restart_policy", policyName(spec_.policy)).number("max_restarts", spec_.maxRestarts);
  object.number("restart_delay", nanoseconds(spec_.restartDelay));
  object.number("stop_timeout", nanoseconds(spec_.stopTimeout)).number("restart_count", life_.restarts());
  const auto code = life_.exitCode();
  object.raw("exit_code", code ? std::to_string(*code) : "null");
  if (spec_.health) {
    object.raw("health_check", JsonObject()
                                   .text("path", spec_.health->path)
                                   .number("interval_ms", spec_.health->interval.count())
                                   .number("timeout_ms", spec_.health->timeout.count())
                                   .number("delay_ms", spec_.health->delay.count())
                                   .str());
    object.boolean("healthy", life_.healthy()).raw("health_status", healthStatus());
  }
  return object.text("created_at", createdAt_).text("updated_at", updatedAt_).str();
}

std::string ManagedServer::summary() const {
  JsonObject object;
  object.text("slug", spec_.slug).numberIfAny("port", port()).textIfAny("url", url_);
  object.text("status", statusName(status()));
  if (spec_.health) object.boolean("healthy", life_.healthy()).raw("health_check", healthStatus());
  return object.str();
}

std::string ManagedServer::log(std::string_view stream) const {
  if (stream == "stdout") return log_.out.text();
  return stream == "stderr" ? log_.err.text() : log_.combined.text();
}

}  // namespace computesdk::sandboxd
