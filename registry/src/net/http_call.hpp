#pragma once

#include <computesdk/plugin.h>

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace computesdk::registry::net {

/// Where the events of requests go, and whose the requests are.
class EventReceiver {
 public:
  virtual ~EventReceiver() = default;
  /// Takes an event of a request and all it points to. Events of a request that is over are dropped.
  virtual void deliver(std::uint64_t request, const csdk_http_event& event) = 0;
  /// Of the call; 0: none.
  [[nodiscard]] virtual std::int64_t deadlineNs() const noexcept = 0;
  /// By what the other end of a line knows the call.
  [[nodiscard]] virtual std::uint64_t tag() const noexcept = 0;
};

/// A request on its way, as the one who carries it gives it out. Thread-safe; its end lets go of the request.
class CarriedRequest {
 public:
  virtual ~CarriedRequest() = default;
  virtual csdk_status write(std::uint32_t flags, csdk_bytes data) = 0;
  virtual void ack(std::size_t size) = 0;
  virtual void close(std::int32_t code, csdk_str reason) = 0;
};

/// What takes requests to the network: the module of this process, or the line to the process that has it.
class HttpCarrier {
 public:
  virtual ~HttpCarrier() = default;
  /// Begins request `number` of a call, whose events go to `receiver`, from one thread at a time, also before this
  /// returns. `request` is as long as ours. Never null: a request that may not go out fails with an event.
  virtual std::unique_ptr<CarriedRequest> start(const std::shared_ptr<EventReceiver>& receiver, std::uint64_t number,
                                                const csdk_http_request& request) = 0;
  /// Hosts named in `text`, a sandbox's token, count as named by the vendor.
  virtual void learn(std::string_view) {}
};

/// The requests, timers and events of one call: everything behind csdk_http_ext but the network. Thread-safe.
class HttpCall final : public EventReceiver, public std::enable_shared_from_this<HttpCall> {
 public:
  static constexpr std::size_t kMaxRequests = 64;

  HttpCall(std::int64_t deadlineNs, std::uint64_t tag) : deadlineNs_(deadlineNs), tag_(tag) {}

  // --- csdk_http_ext; `request` is as long as ours
  csdk_status start(HttpCarrier& carrier, const csdk_http_request& request, std::uint64_t* outRequest);
  csdk_status next(std::int64_t deadlineNs, csdk_http_event* out);
  csdk_status write(std::uint64_t request, std::uint32_t flags, csdk_bytes data);
  csdk_status ack(std::uint64_t request, std::size_t size);
  csdk_status close(std::uint64_t request, std::int32_t code, csdk_str reason);
  csdk_status wake();

  // --- timers that are events
  /// A timer that becomes an event at `atNs`. 0: too many timers.
  std::uint64_t startTimer(std::int64_t atNs);
  void timerCancelled(std::uint64_t timer);

  // --- EventReceiver
  void deliver(std::uint64_t request, const csdk_http_event& event) override;
  [[nodiscard]] std::int64_t deadlineNs() const noexcept override { return deadlineNs_; }
  [[nodiscard]] std::uint64_t tag() const noexcept override { return tag_; }

  // --- the call
  /// The call was cancelled: next says so once.
  void cancelled();
  /// The call is over: its requests end, no function of the plug-in is running, none will.
  void end();

 private:
  /// An event with what it points to.
  struct Stored {
    csdk_http_event event{};
    std::string text;  ///< data or message
    std::vector<std::pair<std::string, std::string>> headers;
    std::vector<csdk_pair> pairs;
  };
  struct Request {
    std::unique_ptr<CarriedRequest> carried;
    bool ended = false;  ///< its last event waits to be fetched
    csdk_notify_fn onEvent = nullptr;
    void* onEventCtx = nullptr;
  };

  void timerRan(const std::shared_ptr<std::uint64_t>& number);
  void push(Stored stored);
  void hand(csdk_http_event* out);
  void notify(csdk_notify_fn fn, void* ctx, std::unique_lock<std::mutex>& lock);

  const std::int64_t deadlineNs_;
  const std::uint64_t tag_;
  std::mutex mutex_;
  std::condition_variable changed_, idle_;
  std::map<std::uint64_t, Request> requests_;
  std::set<std::uint64_t> timers_;
  std::deque<Stored> events_;
  Stored current_;  ///< what next gave out last
  bool wasCancelled_ = false, cancelPending_ = false, wakePending_ = false, over_ = false;
  int notifying_ = 0;
  std::thread::id notifier_;
};

}  // namespace computesdk::registry::net
