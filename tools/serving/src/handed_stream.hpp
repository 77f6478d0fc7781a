#pragma once

#include "server_core.hpp"

namespace computesdk::serving {

/// A connection's stream after it was given away: first the bytes that had come already, then those of the socket. The
/// server knows it, so that it can close it.
class HandedStream final : public ByteStream, public std::enable_shared_from_this<HandedStream> {
 public:
  HandedStream(std::shared_ptr<Server::Core> server, StreamPtr inner, std::string first);
  ~HandedStream() override;

  /// The connection had a read under way, which ends in deliver().
  void expect() noexcept { expecting_ = true; }
  void deliver(std::error_code error, std::string_view bytes);
  /// Tells what to do when the server stops; without it the stream is closed.
  void onStop(std::function<void()> stop) { stop_ = std::move(stop); }
  /// A WebSocket says goodbye by itself; a tunnel ends when all else has ended.
  [[nodiscard]] bool saysGoodbye() const noexcept { return stop_ != nullptr; }
  void goodbye();

  void asyncRead(std::size_t most, ReadHandler handler) override;
  void asyncWrite(std::string_view bytes, WriteHandler handler) override;
  void halfClose() override { inner_->halfClose(); }
  void close() override;

 private:
  void readFirst();

  std::shared_ptr<Server::Core> server_;
  StreamPtr inner_;
  std::string first_;
  std::error_code error_;  ///< of the expected read
  ReadHandler waiting_;
  std::function<void()> stop_;
  std::size_t most_ = 0;
  bool expecting_ = false;
  bool ended_ = false;  ///< the expected read found the end
};

/// Ends our direction, lets the peer end his for a moment, and closes: closing while bytes of the peer are unread would
/// destroy what was written last.
void closeGently(Loop& loop, const StreamPtr& stream);

}  // namespace computesdk::serving
