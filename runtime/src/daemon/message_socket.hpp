#pragma once

#include <computesdk/result.hpp>

#include "daemon/transport.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>

namespace computesdk::detail {

class JsonView;

/// The one WebSocket of a sandbox: opened with the first subscription, made again when it breaks (5 attempts, 1 s
/// apart, then all subscriptions again). Handlers run on a thread of its own, one at a time. Thread-safe.
class MessageSocket {
 public:
  /// Of a message of the channel. With `kLost` as type the connection is gone for good, `data` is absent.
  using Handler = std::function<void(std::string_view type, const JsonView& data)>;
  static constexpr std::string_view kLost = "connection:lost";

  /// Opens a WebSocket; asked by the thread that subscribes, and later by the socket's own.
  using Open = std::function<Result<std::unique_ptr<Socket>>(SocketEvents events, const std::stop_token& stop)>;
  /// `again`: what reconnecting asks; it must not start another daemon, whose terminals would not be ours.
  MessageSocket(Open open, Open again, std::function<void(std::string)> warn,
                std::chrono::milliseconds pause = std::chrono::seconds(1));
  ~MessageSocket();  ///< close()
  MessageSocket(const MessageSocket&) = delete;
  MessageSocket& operator=(const MessageSocket&) = delete;

  /// Handlers of one channel run in the order in which they came. The id is for unsubscribe, never 0.
  Result<std::uint64_t> subscribe(const std::string& channel, Handler handler, const std::stop_token& stop);
  /// Once it returns the handler does not run, unless it is a handler that calls this. Idempotent.
  void unsubscribe(std::uint64_t id) noexcept;
  /// One message, JSON. Opens the socket if needed. Errors: E_NETWORK, and those of opening.
  Result<void> send(const std::string& text, const std::stop_token& stop);
  /// Ends the connection and the thread; no handler runs afterwards, unless one calls this. Idempotent.
  void close() noexcept;

 private:
  struct Shared;
  Result<void> connect(const std::stop_token& stop);
  static void run(const std::shared_ptr<Shared>& shared);
  const std::shared_ptr<Shared> shared_;
  std::mutex starting_;  ///< guards thread_ until close
  std::thread thread_;
};

}  // namespace computesdk::detail
