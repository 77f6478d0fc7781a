#pragma once

#include <chrono>
#include <functional>
#include <memory>

namespace computesdk::serving {

/// A timer that was set. Going out of scope cancels it. Movable. `cancel` may be called from any thread; on the loop's
/// thread it is certain that the function does not run afterwards, elsewhere it may just be running.
class Timer {
 public:
  Timer() = default;
  Timer(Timer&&) noexcept = default;
  Timer& operator=(Timer&& other) noexcept;
  ~Timer() { cancel(); }

  void cancel() noexcept;
  /// Lets the timer go on without this handle.
  void detach() noexcept { state_.reset(); }
  [[nodiscard]] bool active() const noexcept { return state_ != nullptr; }

  struct State;
  explicit Timer(std::shared_ptr<State> state) : state_(std::move(state)) {}

 private:
  std::shared_ptr<State> state_;
};

/// Readiness of one descriptor. The descriptor stays the caller's and must stay open while it is watched; it can be a
/// pipe, socket, terminal, pidfd, inotify or eventfd, not a regular file. At most one watch per descriptor. Going out
/// of scope ends it. All functions are for the loop's thread only.
class Watch {
 public:
  Watch() = default;
  Watch(Watch&& other) noexcept = default;
  Watch& operator=(Watch&& other) noexcept;
  ~Watch() { stop(); }

  /// Calls `ready` once when the descriptor can be read without blocking (also at its end and on an error). To go on,
  /// call this again; whoever must not take more at the moment does not.
  void readable(std::function<void()> ready);
  /// The same for writing. Both can be awaited at the same time.
  void writable(std::function<void()> ready);
  /// No function of this watch is called after this.
  void stop() noexcept;
  [[nodiscard]] bool active() const noexcept { return state_ != nullptr; }

  struct State;
  explicit Watch(std::shared_ptr<State> state) : state_(std::move(state)) {}

 private:
  std::shared_ptr<State> state_;
};

/// One thread that waits for sockets, timers and descriptors. Functions that it calls must not block and must not
/// throw. Everything that is built on a loop (servers, streams, timers, watches) must be gone before the loop is.
class Loop {
 public:
  Loop();
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  /// Serves on a thread of its own until stop().
  void start();
  /// Serves on the calling thread until stop().
  void run();
  /// Makes run() return; joins the thread of start() unless it is the caller. Any thread; twice is harmless. Work that
  /// was posted and has not run is dropped.
  void stop();

  /// Is this its thread?
  [[nodiscard]] bool onThread() const noexcept;
  /// Does any thread serve it at the moment?
  [[nodiscard]] bool running() const noexcept;
  /// Runs `work` on the loop's thread, later. Any thread. Keeps the order of one caller.
  void post(std::function<void()> work);
  /// Runs `work` now when called on the loop's thread, else like post().
  void dispatch(std::function<void()> work);
  /// Calls `work` once after `delay`. Any thread.
  [[nodiscard]] Timer after(std::chrono::milliseconds delay, std::function<void()> work);
  /// Calls `work` every `period`, first after one period. Any thread.
  [[nodiscard]] Timer every(std::chrono::milliseconds period, std::function<void()> work);
  /// Watches a descriptor. The loop's thread only. An inactive Watch when the kernel refuses (errno says why).
  [[nodiscard]] Watch watch(int descriptor);

  /// The event loop inside, for the sources of this room.
  struct Core;
  [[nodiscard]] Core& core() noexcept { return *core_; }

 private:
  std::unique_ptr<Core> core_;
};

}  // namespace computesdk::serving
