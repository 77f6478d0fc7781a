#pragma once

#include <cstddef>
#include <functional>
#include <memory>

namespace computesdk::sandboxd {

/// A bounded pool for work that blocks (files, copies, installs). Threads start on demand and leave when idle for long.
class Workers {
 public:
  explicit Workers(std::size_t threads);
  /// Drops what has not begun and waits for what has.
  ~Workers();
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  /// Queues `task`. Any thread. Tasks that never end (a watch) do not belong here: give them a thread or the Loop.
  void run(std::function<void()> task);
  /// As the destructor; run() drops its task afterwards.
  void stop();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace computesdk::sandboxd
