#pragma once

#include <computesdk/plugin.h>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

// A host for tests: records what a provider pushes and keeps the promises of plugin.h about calls, cancellation,
// sources and timers. Thread-safe.
namespace computesdk::test {

/// A function that is run once and, when it is taken back, is neither running nor going to.
class Notifier {
 public:
  /// Stores fn, or runs it at once when `fireNow`. Waits for a running one unless that one is the caller.
  void set(std::unique_lock<std::mutex>& lock, csdk_notify_fn fn, void* ctx, bool fireNow);
  /// Runs the stored one, if any.
  void fire(std::unique_lock<std::mutex>& lock);
  /// Forgets it.
  void clear(std::unique_lock<std::mutex>& lock) { set(lock, nullptr, nullptr, false); }

 private:
  csdk_notify_fn fn_ = nullptr;
  void* ctx_ = nullptr;
  std::thread::id running_;
  std::condition_variable idle_;
};

struct Chunk {
  std::uint32_t stream;
  std::string data;
};

struct Failure {
  csdk_error fields;  ///< numbers only; the texts are below
  std::string message, fix, vendorCode, raw, requestId;
};

/// What a provider did during one call.
struct Record {
  std::vector<Chunk> chunks;
  std::vector<std::pair<std::string, std::uint32_t>> sandboxes;  ///< id, status
  std::vector<std::string> tokens, phases, json, names;          ///< names: of whatever else was emitted
  std::optional<csdk_exit> exit;
  std::optional<Failure> failure;
  std::optional<csdk_status> status;  ///< once the call is over
  int misbehaved = 0;                 ///< things done after the end

  std::string stream(std::uint32_t which) const;
};

class FakeHost {
 public:
  FakeHost();
  ~FakeHost();
  FakeHost(const FakeHost&) = delete;
  FakeHost& operator=(const FakeHost&) = delete;

  csdk_host table{};  ///< tests may change it before they hand it out
  const csdk_host* get() const noexcept { return &table; }

  csdk_call begin(std::int64_t deadlineNs = 0);
  void cancel(csdk_call call);
  /// Ends a call with what the operation returned; for CSDK_PENDING waits (10 s at most) for its completion.
  csdk_status end(csdk_call call, csdk_status returned);
  /// Begins, runs, ends.
  csdk_status run(const std::function<csdk_status(csdk_call)>& operation);
  /// Of the last call that was begun, or of a given one.
  Record last();
  Record record(csdk_call call);
  /// Waits (10 s at most) until `ready` holds for what was recorded; false when it never did.
  bool waitFor(csdk_call call, const std::function<bool(const Record&)>& ready);

 private:
  struct State {
    Record record;
    std::int64_t deadlineNs = 0;
    bool cancelled = false;
    Notifier onCancel;
    std::map<std::uint64_t, std::jthread> timers;
  };
  struct Slots;
  friend struct Slots;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<csdk_call, std::unique_ptr<State>> calls_;
  csdk_call lastCall_ = 0;
  csdk_timer_ext timers_{};
};

/// Input that a test feeds while the call runs.
class FakeSource {
 public:
  FakeSource();
  const csdk_source* get() const noexcept { return &table_; }
  void push(const std::string& data);
  void end();
  void cancel();

 private:
  static csdk_status read(const csdk_source* source, std::uint8_t* buffer, std::size_t capacity, std::size_t* size);
  static csdk_status onReadable(const csdk_source* source, csdk_notify_fn fn, void* ctx);
  bool ready() const { return !data_.empty() || ended_ || cancelled_; }

  csdk_source table_{};
  std::mutex mutex_;
  std::string data_;
  bool ended_ = false, cancelled_ = false;
  Notifier notifier_;
};

inline std::string toString(csdk_str text) { return {text.data, text.size}; }
inline csdk_str toAbi(const char* text) { return {text, std::char_traits<char>::length(text)}; }
inline csdk_str toAbi(const std::string& text) { return {text.data(), text.size()}; }
csdk_option textOption(const char* key, const char* value);
std::int64_t monotonicNs();

}  // namespace computesdk::test
