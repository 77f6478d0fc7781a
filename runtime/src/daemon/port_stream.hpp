#pragma once

#include <computesdk/port_stream.hpp>

#include "commands/input.hpp"
#include "core/sandbox_state.hpp"

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <span>
#include <stop_token>
#include <thread>

namespace computesdk::detail {

/// One dialled port and the thread that carries its bytes. Thread-safe. `sandbox` may own nothing, if it is sure to
/// outlive close().
class PortStreamState : public std::enable_shared_from_this<PortStreamState> {
 public:
  PortStreamState(std::shared_ptr<SandboxState> sandbox, DialOptions options);
  PortStreamState(const PortStreamState&) = delete;
  PortStreamState& operator=(const PortStreamState&) = delete;

  /// Once. Errors: E_RESOURCE_EXHAUSTED when there is no thread left.
  Result<void> start();
  Result<void> write(std::span<const std::byte> bytes, const std::stop_token& stop);
  void closeWrite() noexcept { queue_.close(); }
  void close() noexcept;
  [[nodiscard]] bool closed() const noexcept { return closed_.load(std::memory_order_acquire); }

 private:
  void carry() noexcept;
  /// The dialling itself; nothing when the stream came to an orderly end.
  std::optional<ErrorInfo> dial();

  std::shared_ptr<SandboxState> sandbox_;  ///< let go of when the thread ends
  const DialOptions options_;
  QueueSource queue_;
  std::stop_source stop_;
  std::atomic<bool> closed_{false};
  std::atomic<bool> closing_{false};
  std::mutex mutex_;
  std::condition_variable finished_;
  bool running_ = false;  ///< the thread has not done its last call
  std::thread::id thread_;
};

/// Errors: those of Sandbox::dialPort.
Result<std::shared_ptr<PortStreamState>> dialPort(std::shared_ptr<SandboxState> sandbox, DialOptions options);

}  // namespace computesdk::detail
