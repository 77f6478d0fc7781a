#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstring>
#include <future>
#include <map>
#include <mutex>
#include <set>

#include "core/process.hpp"
#include "core/process_tree.hpp"
#include "core/spawn.hpp"

namespace computesdk::sandboxd {

struct Processes::State {
  explicit State(serving::Loop& itsLoop) : loop(itsLoop) {}

  serving::Loop& loop;
  std::mutex mutex;
  std::condition_variable fewer;
  std::map<pid_t, std::shared_ptr<RunningProcess>> running;  ///< by holder
  int starting = 0;
  bool stopped = false;
  bool adopting = false;   ///< strangers may be our children: reap them
  std::set<pid_t> before;  ///< processes that were below us when adopting began: none of ours, and left alone
  bool strays = false;     ///< there may be some

  void forget(RunningProcess& process) {
    {
      const std::lock_guard lock(mutex);
      running.erase(process.holder());
      fewer.notify_all();
    }
    reapStrangers();
  }

  /// Waits for children that nobody here started. Ours among them are left to their own object.
  void reapStrangers() {
    const std::lock_guard lock(mutex);
    // A process that is just being started is ours too, but has no entry yet.
    while (adopting && starting == 0) {
      siginfo_t info{};
      if (::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0) break;
      if (running.count(info.si_pid) > 0) break;
      ::waitpid(info.si_pid, nullptr, WNOHANG);
      // What a stray had below itself is a stray now.
      if (before.erase(info.si_pid) == 0) strays = true;
    }
    killStrays();
  }

  /// A holder was killed: what it held has become ours.
  void orphaned() {
    const std::lock_guard lock(mutex);
    strays = true;
    killStrays();
  }

  /// Ends what a killed holder has left to us, in whatever session and with whatever environment: all that is below
  /// this program, but neither below a holder nor there from the beginning. With the lock.
  void killStrays() {
    if (!strays || !adopting || starting > 0) return;
    strays = false;
    stopAndKill([this] {
      std::set<pid_t> known = before;
      for (const auto& [holder, process] : running) known.insert(holder);
      std::vector<ProcessEntry> found;
      // Parents come before their children.
      for (const auto& each : descendantsOf(::getpid())) {
        if (known.count(each.pid) > 0 || known.count(each.parent) > 0) {
          known.insert(each.pid);
        } else {
          found.push_back(each);
        }
      }
      return found;
    });
  }
};

namespace {

ErrorInfo spawnError(ErrorCode code, std::string what, const char* why = nullptr) {
  ErrorInfo info;
  info.code = code;
  info.what = std::move(what);
  if (why != nullptr) info.why = why;
  return info;
}

std::string_view pathOf(const std::vector<std::string>& env) {
  for (const auto& each : env) {
    if (each.rfind("PATH=", 0) == 0) return std::string_view(each).substr(5);
  }
  return "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
}

bool isExecutableFile(const std::string& path) {
  struct stat about {};
  return ::stat(path.c_str(), &about) == 0 && S_ISREG(about.st_mode) && ::access(path.c_str(), X_OK) == 0;
}

}  // namespace

std::string findProgram(std::string_view name, std::string_view path) {
  if (name.empty() || name.find('\0') != std::string_view::npos) return {};
  if (name.find('/') != std::string_view::npos) return isExecutableFile(std::string(name)) ? std::string(name) : "";
  for (;;) {
    const auto colon = path.find(':');
    std::string candidate(path.substr(0, colon));
    // An empty entry means the working directory, which is the daemon's here: skipped.
    if (!candidate.empty()) {
      candidate.append("/").append(name);
      if (isExecutableFile(candidate)) return candidate;
    }
    if (colon == std::string_view::npos) return {};
    path.remove_prefix(colon + 1);
  }
}

Processes::Processes(serving::Loop& loop) : state_(std::make_shared<State>(loop)) {}

Processes::~Processes() {
  stop(5);
  std::map<pid_t, std::shared_ptr<RunningProcess>> left;
  {
    const std::lock_guard lock(state_->mutex);
    left.swap(state_->running);
  }
  if (left.empty() || state_->loop.onThread()) return;
  std::promise<void> done;
  state_->loop.post([&] {
    for (auto& [holder, process] : left) process->abandon();
    done.set_value();
  });
  done.get_future().wait_for(std::chrono::seconds(2));
}

void Processes::adoptStrangers() {
  ::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  {
    const std::lock_guard lock(state_->mutex);
    for (const auto& each : descendantsOf(::getpid())) state_->before.insert(each.pid);
    state_->adopting = true;
  }
  state_->reapStrangers();
}

Result<std::shared_ptr<Process>> Processes::spawn(SpawnOptions options) {
  if (options.argv.empty()) return spawnError(ErrorCode::invalidArgument, "no program is named");
  for (const auto* texts : {&options.argv, &options.env}) {
    for (const auto& text : *texts) {
      if (text.find('\0') == std::string::npos) continue;
      return spawnError(ErrorCode::invalidArgument, "a command must not hold NUL characters");
    }
  }
  struct stat folder {};
  if (options.cwd.empty() || ::stat(options.cwd.c_str(), &folder) != 0 || !S_ISDIR(folder.st_mode)) {
    return spawnError(ErrorCode::invalidArgument, "Working directory not found: " + options.cwd);
  }
  const auto program = findProgram(options.argv.front(), pathOf(options.env));
  if (program.empty()) return spawnError(ErrorCode::notFound, "Program not found: " + options.argv.front());

  const auto state = state_;
  {
    const std::lock_guard lock(state->mutex);
    if (state->stopped) return spawnError(ErrorCode::unavailable, "the sandbox is closing");
    ++state->starting;
  }
  auto started = start(options, program);
  std::shared_ptr<RunningProcess> process;
  {
    const std::lock_guard lock(state->mutex);
    --state->starting;
    if (!started) state->strays = true;  // a holder that was killed at once may have left something
    if (started) {
      const std::weak_ptr<State> weak = state;
      RunningProcess::Owner owner;
      owner.orphaned = [weak] {
        if (const auto all = weak.lock()) all->orphaned();
      };
      owner.gone = [weak](RunningProcess& which) {
        if (const auto all = weak.lock()) all->forget(which);
      };
      process = std::make_shared<RunningProcess>(state->loop, std::move(options), std::move(*started), owner);
      state->running[process->holder()] = process;
    }
    state->fewer.notify_all();
  }
  state->reapStrangers();  // those that ended while this one was being started
  if (!started) return std::move(started).error();
  state->loop.post([process] { process->begin(); });
  bool late = false;
  {
    const std::lock_guard lock(state->mutex);
    late = state->stopped;
  }
  if (late) process->kill();
  return std::shared_ptr<Process>(process);
}

void Processes::reap() { state_->reapStrangers(); }

void Processes::stop(int seconds) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
  std::vector<std::shared_ptr<RunningProcess>> all;
  std::unique_lock lock(state_->mutex);
  state_->stopped = true;
  state_->fewer.wait_until(lock, end, [this] { return state_->starting == 0; });
  for (const auto& [holder, process] : state_->running) all.push_back(process);
  lock.unlock();
  for (const auto& process : all) process->kill();
  all.clear();
  lock.lock();
  state_->fewer.wait_until(lock, end, [this] { return state_->running.empty(); });
}

}  // namespace computesdk::sandboxd
