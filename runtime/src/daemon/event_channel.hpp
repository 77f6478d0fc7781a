#pragma once

#include "core/sandbox_state.hpp"
#include "daemon/link.hpp"

#include <cstdint>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <vector>

namespace computesdk::detail {

/// The handlers of one handle on one channel; they end with it. Thread-safe.
class EventChannel {
 public:
  EventChannel(std::shared_ptr<SandboxState> sandbox, std::string channel)
      : sandbox_(std::move(sandbox)), channel_(std::move(channel)) {}
  EventChannel(const EventChannel&) = delete;
  EventChannel& operator=(const EventChannel&) = delete;
  ~EventChannel();

  Result<std::uint64_t> listen(MessageSocket::Handler handler);
  void leave(std::uint64_t id) noexcept;

 private:
  const std::shared_ptr<SandboxState> sandbox_;
  const std::string channel_;
  std::mutex mutex_;
  std::vector<std::uint64_t> ids_;
};

/// A segment of a path or value of a query.
std::string urlEncode(std::string_view text);
/// `prefix` + the segment.
std::string below(std::string_view prefix, std::string_view segment);

/// Asks for an object and gives its member `data`, or the whole where there is none; a failure if that is absent.
/// `take` makes the value of it.
template <typename T, typename F>
Result<T> askFor(SandboxState& sandbox, const DaemonCall& call, F&& take) {
  auto answer = sandbox.daemon().ask(call);
  if (!answer) return std::move(answer).error();
  if (!*answer || !(*answer)->root().isObject()) {
    ErrorInfo error = daemonFailure(sandbox, call.what, {});
    error.code = ErrorCode::protocol;
    error.why = "the answer of the sandbox's daemon is no object";
    return error;
  }
  const JsonView root = (*answer)->root();
  const JsonView data = root["data"];
  return T(take(data.isObject() ? data : root));
}

/// The same without an answer.
Result<void> tell(SandboxState& sandbox, const DaemonCall& call);

}  // namespace computesdk::detail
