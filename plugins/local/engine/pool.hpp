// Sandboxes made ahead of the wish for them.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "sandbox_state.hpp"

namespace computesdk::local {

// Keeps up to `size` empty sandboxes of the kind that was wished for last, made on a thread of its own and filled again
// once half of them are gone. None has run a command, and each is given out once. They end with the pool. Thread-safe.
class Pool {
 public:
  using Make = std::function<Result<std::shared_ptr<SandboxState>>(const CreateSpec&)>;

  Pool(std::size_t size, Make make);
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  // Whether a sandbox made ahead can become this one: no network, no open ports, isolated.
  static bool covers(const CreateSpec& spec);
  // A living one that is as `spec` says but for its name, end, variables and metadata; null when there is none yet.
  std::shared_ptr<SandboxState> take(const CreateSpec& spec);

 private:
  void fill(const std::stop_token& stop);

  const std::size_t size_;
  const Make make_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::optional<CreateSpec> kind_;  // what the ready ones are
  std::deque<std::shared_ptr<SandboxState>> ready_;
  bool filling_ = false;
  std::jthread thread_;  // last: it uses the others
};

}  // namespace computesdk::local
