#pragma once

#include "host/wire.hpp"
#include "net/http_call.hpp"

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

namespace computesdk::registry::net {

/// The requests of one call of an isolated plug-in, at the host's end of the line. The other end is taken for hostile.
class RemoteHttp final : public EventReceiver, public std::enable_shared_from_this<RemoteHttp> {
 public:
  /// `send` queues a frame of the call; it is not called once end returned.
  RemoteHttp(std::uint64_t call, std::int64_t deadlineNs, std::shared_ptr<HttpCarrier> carrier,
             std::function<void(std::string frame)> send);

  /// A frame from the process, on the thread that reads. False: it breaks the protocol.
  bool handle(const host::Frame& frame);
  /// All requests end. Idempotent; any thread.
  void end();

  // --- EventReceiver
  void deliver(std::uint64_t request, const csdk_http_event& event) override;
  [[nodiscard]] std::int64_t deadlineNs() const noexcept override { return deadlineNs_; }
  [[nodiscard]] std::uint64_t tag() const noexcept override { return 0; }

 private:
  struct Request {
    std::unique_ptr<CarriedRequest> carried;  ///< once it began
    std::string head, body;                   ///< until then
    std::int64_t uncredited = 0;              ///< written bytes that the network has not taken
    bool paused = false, begun = false;
  };

  bool begin(std::uint64_t number);
  bool write(std::uint64_t number, std::span<const std::byte> body);
  void sendCredit(std::uint64_t number, std::int64_t bytes);

  const std::uint64_t call_;
  const std::int64_t deadlineNs_;
  const std::shared_ptr<HttpCarrier> carrier_;
  const std::function<void(std::string)> send_;
  std::atomic<bool> over_{false};
  std::mutex mutex_;
  std::map<std::uint64_t, Request> requests_;
};

}  // namespace computesdk::registry::net
