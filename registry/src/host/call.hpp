#pragma once

#include "abi_structs.hpp"
#include "futex.hpp"

#include <computesdk/plugin.h>
#include <computesdk/registry/provider.hpp>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <memory_resource>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <variant>
#include <vector>

namespace computesdk::registry::net {
class HttpCall;
}

// One running operation, as the plug-in sees it: a number that is checked at every use.
namespace computesdk::registry::host {

class HostContext;

/// Takes what a call pushes: one push at a time, in order.
class CallSink {
 public:
  virtual ~CallSink() = default;
  /// Output of a command or the content of a file.
  virtual void output(std::uint32_t stream, std::span<const std::byte> data) = 0;
  /// `value` is the struct of `kind`, as long as ours; valid until the function returns. CSDK_CANCELLED: no more.
  virtual csdk_status result(ResultKind kind, const void* value) = 0;
  /// By what the other end of a line knows the call; 0: there is no line.
  [[nodiscard]] virtual std::uint64_t tag() const noexcept { return 0; }
};

/// Hears what becomes of a call on its caller's side.
class CallListener {
 public:
  virtual ~CallListener() = default;
  /// The caller has taken so many bytes of what was pushed.
  virtual void taken(csdk_call, std::size_t) {}
  /// The caller waits no longer.
  virtual void givenUp(csdk_call) {}
};

/// Why a call failed, as the plug-in described it. Owns its text.
struct CallFailure {
  bool described = false;
  bool pluginDied = false;  ///< said by the host: the plug-in's process ended
  std::uint32_t flags = 0;
  std::uint32_t errorClass = CSDK_ERROR_PLAIN;
  std::int32_t httpStatus = 0;
  std::int64_t retryAfterMs = 0;
  std::string message, fix, vendorCode, raw, requestId;
};

/// A copy of what the plug-in pushed, each text cut to what is kept of it.
CallFailure failureOf(const csdk_error& error);

/// Arguments copied for a plug-in that may still read them when the caller has given up.
struct OwnedArgs {
  std::pmr::monotonic_buffer_resource memory{1024};
  void* args = nullptr;
};

/// A function of the plug-in that the host runs at most once, and of which it knows whether it is running. Guarded by
/// the mutex of its call.
struct Notify {
  csdk_notify_fn fn = nullptr;
  void* ctx = nullptr;
  bool running = false;
  std::thread::id runner;
};

/// How a call came to its end.
enum class Ending : std::uint8_t { none, completed, abandoned };

/// The memory of one call. Lives for ever and is used again under another generation, so a number that is out of date
/// leads to a slot that says so, never to freed memory.
class CallSlot {
 public:
  explicit CallSlot(std::uint32_t index) : index_(index) {}
  CallSlot(const CallSlot&) = delete;
  CallSlot& operator=(const CallSlot&) = delete;

  /// Starts a call; the slot is held by this thread alone. `queued`: output and results are kept until drain.
  csdk_call begin(HostContext& host, CallSink& sink, bool queued, std::int64_t deadlineNs,
                  CallListener* listener = nullptr);

  [[nodiscard]] csdk_call token() const noexcept { return token_; }
  [[nodiscard]] HostContext* host() const noexcept { return host_; }
  [[nodiscard]] std::int64_t deadlineNs() const noexcept { return deadlineNs_; }
  [[nodiscard]] bool cancelled() const noexcept { return cancelled_.load(std::memory_order_acquire); }

  // --- for the side that pushes; the slot is pinned (CallPin)
  csdk_status write(std::uint32_t stream, csdk_bytes data);
  csdk_status push(ResultKind kind, const void* value, std::size_t bytes);
  csdk_status fail(const csdk_error& error);
  void failAsDead(std::string message);
  /// Replaces a function; returns when the earlier one is not running. With `now` it is run at once.
  csdk_status onCancel(csdk_notify_fn fn, void* ctx);
  csdk_status onResume(csdk_notify_fn fn, void* ctx);
  void onReadable(csdk_notify_fn fn, void* ctx);
  void runReadable();
  void keepException(std::exception_ptr error);
  void addTimer(std::uint64_t timer);
  /// The HTTP requests of the call, made with the first use. Null when the call is over.
  std::shared_ptr<net::HttpCall> http();
  /// The same, but null when there are none yet.
  std::shared_ptr<net::HttpCall> existingHttp();

  /// Runs the cancel function and wakes all who wait. Idempotent. Any thread that knows the call to be alive.
  void cancel();
  /// Ends the call for all but its owner. True for the one that did.
  bool claim(csdk_status status);
  /// Returns when no function of the plug-in runs for this call; none will. After claim.
  void settle();
  /// An end that came after the call was given up: frees what was kept for it. False when that is not so.
  bool endLate(csdk_call token);

  // --- for the owner
  [[nodiscard]] bool over() const noexcept;  ///< completed and nobody inside
  void drain();                              ///< hands queued output and results to the sink
  [[nodiscard]] csdk_status status() const noexcept { return status_; }
  CallFailure takeFailure() { return std::move(failure_); }
  std::exception_ptr takeException();
  bool claimAbandoned();
  EventCount& event() noexcept { return event_; }
  void keepArgs(std::unique_ptr<OwnedArgs> args) noexcept { args_ = std::move(args); }
  /// Gives the slot back; with `Ending::abandoned` only once the plug-in has let go of it.
  void release();

  /// What runs when an abandoned call comes to its end at last; set before the call begins.
  std::function<void()> whenLate;

 private:
  friend class CallTable;
  friend class CallPin;

  struct QueuedOutput {
    std::uint32_t stream;
    std::string data;
  };
  struct QueuedResult {
    ResultKind kind;
    std::size_t bytes;
    std::unique_ptr<OwnedArgs> value;
  };
  using Queued = std::variant<QueuedOutput, QueuedResult>;

  csdk_status pushDirect(ResultKind kind, const void* value);
  void deliver(Queued& item);
  void replace(Notify& notify, csdk_notify_fn fn, void* ctx, std::unique_lock<std::mutex>& lock);
  void run(Notify& notify, std::unique_lock<std::mutex>& lock);
  void waitIdle(Notify& notify, std::unique_lock<std::mutex>& lock);
  [[nodiscard]] bool sameCall(csdk_call token) const noexcept;
  /// Not ended. Asked under the mutex before a function is registered, for settle takes them away under it.
  [[nodiscard]] bool live() const noexcept;

  const std::uint32_t index_;
  std::atomic<std::uint64_t> word_{0};  ///< generation, live bit, number of threads inside
  csdk_call token_ = 0;
  HostContext* host_ = nullptr;
  CallSink* sink_ = nullptr;
  CallListener* listener_ = nullptr;
  bool queued_ = false;
  std::int64_t deadlineNs_ = 0;
  csdk_status status_ = CSDK_OK;
  std::atomic<bool> cancelled_{false};
  std::atomic<bool> hasNotify_{false};  ///< a function or timer was registered: settle has work
  std::atomic<Ending> ending_{Ending::none};
  EventCount event_;

  Turn pushTurn_;  ///< one push at a time; held while the sink runs, which may begin calls, but none waits for this one

  std::mutex mutex_;  ///< all below; never held while foreign code runs
  std::condition_variable idle_;
  Notify cancelNotify_, resumeNotify_, readableNotify_;
  std::vector<Queued> queue_;
  std::size_t queuedBytes_ = 0;
  bool paused_ = false;
  CallFailure failure_;
  std::exception_ptr exception_;
  std::vector<std::uint64_t> timers_;
  std::shared_ptr<net::HttpCall> http_;
  std::unique_ptr<OwnedArgs> args_;
  bool ownerGone_ = false, endedLate_ = false;
  CallSlot* nextFree_ = nullptr;
};

/// All calls of the process.
class CallTable {
 public:
  static CallTable& instance() noexcept { return table_; }

  /// A free slot, for the calling thread alone. Null when there are too many calls at once.
  CallSlot* acquire();
  void giveBack(CallSlot& slot) noexcept;
  /// The slot of a number, whether the call still runs or not. Null for a number that never was one.
  CallSlot* find(csdk_call token) noexcept;

 private:
  static constexpr std::uint32_t kSlotsPerChunk = 32;
  static constexpr std::uint32_t kChunks = 32768;

  constexpr CallTable() = default;
  CallSlot* grow();

  static CallTable table_;

  std::mutex mutex_;
  CallSlot* free_ = nullptr;
  std::uint32_t chunksUsed_ = 0;
  std::atomic<CallSlot*> chunks_[kChunks] = {};
};

/// Ends a call from the plug-in's side: its operation returned, or its process answered or died. Counts a second end.
void finishCall(HostContext& host, csdk_call call, csdk_status status);

/// Keeps a call from ending while a host function works on it.
class CallPin {
 public:
  /// `host`: the call must be one of its; null: any.
  CallPin(csdk_call token, const HostContext* host) noexcept;
  ~CallPin();
  CallPin(const CallPin&) = delete;
  CallPin& operator=(const CallPin&) = delete;

  explicit operator bool() const noexcept { return slot_ != nullptr; }
  CallSlot* operator->() const noexcept { return slot_; }
  CallSlot& operator*() const noexcept { return *slot_; }

 private:
  void unpin() noexcept;

  CallSlot* slot_ = nullptr;
};

}  // namespace computesdk::registry::host
