#pragma once

#include "../module_api.h"
#include "answer.hpp"
#include "hub.hpp"
#include "retry.hpp"

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace computesdk::net {

/// Reacts when a time has come that may be moved again and again.
class MovingLimit {
 public:
  MovingLimit(asio::io_context& io, std::function<void()> reached);
  ~MovingLimit();
  MovingLimit(const MovingLimit&) = delete;
  MovingLimit& operator=(const MovingLimit&) = delete;

  /// `span` 0 or less: none.
  void set(milliseconds span);
  void clear() { set(milliseconds(0)); }
  [[nodiscard]] bool fired() const noexcept;

 private:
  struct State;
  static void arm(const std::shared_ptr<State>& state);
  std::shared_ptr<State> state_;
};

/// One request from its start to its end, over as many attempts as its policy allows. Runs on the I/O thread; the
/// functions of its first part may be called from any.
class Exchange : public std::enable_shared_from_this<Exchange> {
 public:
  Exchange(Hub& hub, const csdk_net_request& request);
  ~Exchange();
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  csdk_status write(std::uint32_t flags, std::string_view data);
  void ack(std::size_t size);
  void close(std::int32_t code, std::string_view reason);

  /// Everything; `done` of the sink is called at the end, whatever happens.
  static void launch(const std::shared_ptr<Exchange>& exchange);

 private:
  /// How an attempt ended.
  struct Outcome {
    bool complete = false;           ///< the answer came to its end, which is still to be said
    bool finished = false;           ///< all was said to the plug-in
    RetryPolicy::Pause pause;        ///< an answer asks for another attempt after this
    std::optional<Failure> failure;  ///< there was no answer that could be handed on
    bool stale = false;              ///< a connection used before was closed under the request
  };
  static Outcome ended() {
    Outcome outcome;
    outcome.finished = true;
    return outcome;
  }
  struct Piece {
    std::uint32_t flags = 0;
    std::string bytes;
  };
  struct Link;
  struct Socket;

  Task<void> run();
  Task<Outcome> attempt(bool fresh);
  Task<Outcome> talk(std::unique_ptr<Connection> connection);
  Task<Outcome> read(Link& link);
  Task<Outcome> discard(Link& link, milliseconds pause);
  Task<void> send(Link& link);
  Task<std::optional<Failure>> connect(std::unique_ptr<Connection>& out);
  Outcome broken(Link& link, const Wire::Moved& moved);
  Task<Outcome> talkWebSocket(std::unique_ptr<Connection> connection);  // websocket.cpp
  Task<void> readMessages(Socket& socket);
  Task<void> sendMessages(Socket& socket);

  void emit(csdk_http_event& event);
  void emitHead(int status, const Headers& headers);
  void emitData(std::string_view data, std::uint32_t flags = 0);
  void emitEnd(std::int32_t code, std::string_view reason);
  void emitFailure(const Failure& failure);
  Task<void> waitForCredit();
  /// The next piece of the body, waiting for it. Nothing when the exchange was closed.
  Task<std::optional<Piece>> nextPiece();
  [[nodiscard]] bool closing() const;
  void stop();
  /// After a close: lets an answer whose end is on its way come to it. False when there is none.
  bool drain();
  void buildHead();

  Hub& hub_;
  const csdk_net_request sink_;  ///< only ctx, event, done and the numbers are used
  Route route_;
  std::string method_, target_, head_, body_;
  Headers headers_;
  std::vector<std::string> subprotocols_;
  bool stream_, webSocket_, chunked_ = false;
  RetryPolicy retry_;
  std::uint32_t attempts_ = 0;
  Abort abort_;
  Gate credit_, input_, pause_;
  bool stopSending_ = false;
  Link* answering_ = nullptr;  ///< whose answer is being read, its head seen
  std::size_t delivered_ = 0;
  std::atomic<std::size_t> acked_{0};
  std::atomic<bool> wantsCredit_{false};

  mutable std::mutex mutex_;  ///< all below
  std::deque<Piece> pieces_;
  std::size_t queued_ = 0;
  bool paused_ = false, closed_ = false, over_ = false;
  std::int32_t closeCode_ = 0;
  std::string closeReason_;
};

}  // namespace computesdk::net
