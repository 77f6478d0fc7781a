#pragma once

#include "store/named_sandboxes.hpp"

namespace computesdk::gateway {

/// Destroys what expired, what was left by a maker that died, and what somebody began to destroy and did not finish.
/// Several gateways may run one each: a sandbox is the business of one at a time. Thread-safe.
class Reaper {
 public:
  struct Options {
    std::size_t batch = 32;                     ///< sandboxes taken at once
    std::chrono::milliseconds lease{60'000};    ///< how long destroying one may take before another tries
    std::chrono::milliseconds interval{1'000};  ///< between two looks, for start()
    std::function<void(const SandboxRecord&, const ErrorInfo*)>
        report;  ///< after each; null error: it is gone. May be empty
  };
  /// What one look did.
  struct Outcome {
    std::size_t destroyed = 0;
    std::size_t failed = 0;  ///< tried again when their lease is over
  };

  Reaper(std::shared_ptr<Store> store, ProviderCalls calls, Options options);
  ~Reaper();
  Reaper(const Reaper&) = delete;
  Reaper& operator=(const Reaper&) = delete;

  /// Takes and destroys until nothing is due. Errors: E_STORE.
  Result<Outcome> runOnce();
  /// Does so on a thread of its own until stop() or the destructor, which wait for the one in hand.
  void start();
  void stop();

 private:
  struct Thread;
  const std::shared_ptr<Store> store_;
  const ProviderCalls calls_;
  const Options options_;
  const std::unique_ptr<Thread> thread_;
};

}  // namespace computesdk::gateway
