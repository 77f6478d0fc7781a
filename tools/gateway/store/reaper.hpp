#pragma once

#include "store/named_sandboxes.hpp"

#include <condition_variable>
#include <mutex>
#include <thread>

namespace computesdk::gateway {

/// Destroys what expired, what was left by a maker that died, and what somebody began to destroy and did not finish.
/// Several gateways may run one each: a sandbox is the business of one at a time. Thread-safe.
class Reaper {
 public:
  struct Options {
    std::chrono::milliseconds lease{60'000};    ///< how long destroying one may take before another tries
    RemovePauses pauses{};                      ///< after attempts that failed
    std::chrono::milliseconds interval{1'000};  ///< between two looks, for start()
    std::size_t threads = 4;                    ///< for start(): one that hangs does not keep the others waiting
    /// Told after each one; no error: it is gone. May be empty.
    std::function<void(const SandboxRecord&, const ErrorInfo* error)> report{};
  };
  /// What one look did.
  struct Outcome {
    std::size_t destroyed = 0;
    std::size_t failed = 0;  ///< tried again after a pause
  };

  Reaper(std::shared_ptr<Store> store, ProviderCalls calls, Options options);
  ~Reaper();
  Reaper(const Reaper&) = delete;
  Reaper& operator=(const Reaper&) = delete;

  /// Takes and destroys until nothing is due. Errors: E_STORE.
  Result<Outcome> runOnce();
  /// Does so again and again on threads of its own, until stop() or the destructor, which wait for those in hand. Call
  /// each once.
  void start();
  void stop();

 private:
  Result<Outcome> look(const std::stop_token& stop);
  void run(const std::stop_token& stop);
  const std::shared_ptr<Store> store_;
  const ProviderCalls calls_;
  const Options options_;
  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::vector<std::jthread> threads_;
};

}  // namespace computesdk::gateway
