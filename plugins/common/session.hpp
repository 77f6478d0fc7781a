#pragma once

#include "common/failure.hpp"

#include <computesdk/provider/call.hpp>
#include <computesdk/provider/services.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace computesdk::vendor {

/// When the host may send a request again by itself.
enum class Retry {
  never,
  notSent,     ///< what changes something: failures before it left, 429 and 503 with Retry-After
  idempotent,  ///< repeating is harmless: also resets and 429, 500, 502, 503, 504
  transport,   ///< repeating is harmless, but every status means something: resets only
};

/// One request. Lives until Session::start returned.
struct Request {
  std::string method = "GET";
  std::string url;  ///< absolute
  Headers headers;
  Headers secretHeaders;  ///< value with ${config_key}: the host puts the secret in
  std::string body;
  Retry retry = Retry::never;
  bool streamBody = false;  ///< the body follows by Session::write
  bool webSocket = false;   ///< `method` is empty
  std::vector<std::string> subprotocols;
  std::int64_t headTimeoutMs = 0;      ///< 0: 60 s
  std::int64_t idleTimeoutMs = 60000;  ///< between bytes of the answer; 0: none, for streams
};

/// What happens to a request, in this order: head, data…, then end or fail. Each may be empty. They run inside
/// Session::until (or fetch, pause), may start and close requests, write output and throw, which until passes on.
struct Handlers {
  std::function<void(const Answer& head)> head = {};      ///< status and headers, no body
  std::function<void(std::string_view bytes)> data = {};  ///< credit is given back when it returns
  std::function<void()> end = {};                         ///< complete
  std::function<void(const Failure& failure)> fail = {};  ///< empty: until throws it
  std::function<void()> writable = {};                    ///< a write that answered CSDK_PAUSE may go on
  std::function<void(std::string_view bytes, bool text, bool final)> message = {};  ///< WebSocket, in place of data
  std::function<void(int code, std::string_view reason)> closed = {};               ///< WebSocket, in place of end
};

inline constexpr std::int64_t kNsPerMs = 1'000'000;

/// All HTTP of one call: any number of requests at once, served by the thread of the call. Not thread-safe, but for
/// wake. What is under way when it ends is closed.
class Session {
 public:
  explicit Session(const plugin::Call& call) : call_(call), http_(call) {}
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  [[nodiscard]] const plugin::Call& call() const noexcept { return call_; }

  /// Begins a request and returns its number.
  std::uint64_t start(const Request& request, Handlers handlers);
  /// Ends a request at any point; nothing of it is handled any more.
  void close(std::uint64_t request, int code = 0, std::string_view reason = {});
  [[nodiscard]] bool running(std::uint64_t request) const { return requests_.contains(request); }
  /// Sends a part of a streamed body, or a WebSocket message. CSDK_OK, CSDK_PAUSE (wait for `writable`), or
  /// CSDK_NOT_FOUND when the request has ended meanwhile.
  csdk_status write(std::uint64_t request, std::string_view data, std::uint32_t flags = 0);

  /// Handles events until `done()`, which is asked before each wait, or nothing is under way any more (false).
  /// `deadlineNs` (0: the call's): then CSDK_DEADLINE_EXCEEDED is thrown. Throws when the call is cancelled.
  bool until(const std::function<bool()>& done, std::int64_t deadlineNs = 0);
  /// One request to its end. Throws plugin::Error when no answer came or its body is longer than `maxBody`; an answer
  /// of any status is returned.
  Answer fetch(const Request& request, std::size_t maxBody = std::size_t{8} << 20);
  /// Waits, handling events of other requests; for polling.
  void pause(std::int64_t ms);
  /// Makes a waiting until ask `done` again. Any thread; for on_readable functions.
  void wake() noexcept { http_.wake(); }

  /// From here the call's cancellation and deadline count no more, so that what was begun can be undone: all that
  /// follows has to be over in `budgetMs` (the host gives a call up 5 s after its end). Closes what is under way.
  void beginCleanup(std::int64_t budgetMs = 4000);
  [[nodiscard]] bool cleaning() const noexcept { return cleanupUntilNs_ != 0; }

 private:
  struct Running {
    Handlers handlers;
    bool webSocket = false;
    bool repeatable = false;
  };
  /// One event; false when nothing is under way.
  bool step(std::int64_t deadlineNs);
  void handle(const csdk_http_event& event);
  void handleData(const csdk_http_event& event, const Running& running);
  static Failure failureOf(const csdk_http_event& event, bool repeatable);

  plugin::Call call_;
  plugin::Http http_;
  std::map<std::uint64_t, std::shared_ptr<Running>> requests_;
  std::uint64_t timer_ = 0;  ///< the one that pause waits for
  std::int64_t cleanupUntilNs_ = 0;
};

}  // namespace computesdk::vendor
