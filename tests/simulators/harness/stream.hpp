#pragma once

#include <openssl/ssl.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>

namespace computesdk::simulators {

/// A server's end of one connection, with or without TLS. One thread may read while another writes.
class Stream {
 public:
  /// Takes the descriptor. `stop`: a descriptor that becomes readable when everything must end.
  Stream(int fd, int stop) : fd_(fd), stop_(stop) {}
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  bool startTls(SSL_CTX* context);
  /// Bytes read; 0: the peer is done; -1: broken, or the server stops.
  long read(char* buffer, std::size_t capacity);
  bool write(std::string_view bytes);
  /// Waits; true when the time is over, false when the peer hung up or the server stops.
  bool pause(int ms);
  /// The peer has closed or reset the connection, or the server stops.
  [[nodiscard]] bool peerGone() const;
  /// Ends the connection so that the peer sees a reset.
  void reset();
  void close();
  /// Ends the connection; another thread that reads sees it.
  void shutdown();

  /// From now on `bytes` more can be written; the connection breaks at the next one. The peer sees a reset, or else an
  /// end, once the one who writes has given up.
  void breakAfter(std::int64_t bytes, bool withReset);
  /// From now on at most `bytes` are written at once, with a pause after each.
  void slowDown(std::size_t bytes, int pauseMs) { pieceBytes_ = bytes, pauseMs_ = pauseMs; }
  [[nodiscard]] int descriptor() const noexcept { return fd_; }
  [[nodiscard]] std::uint64_t bytesRead() const noexcept { return bytesRead_; }
  [[nodiscard]] std::uint64_t bytesWritten() const noexcept { return bytesWritten_; }

 private:
  bool wait(short events);
  bool writeAll(std::string_view bytes);
  template <class Op>
  long perform(Op op, short plainEvents);

  int fd_;
  const int stop_;
  SSL* ssl_ = nullptr;
  std::mutex mutex_;  ///< guards ssl_, which knows no threads
  std::atomic<std::uint64_t> bytesRead_{0}, bytesWritten_{0};
  std::int64_t allowed_ = -1;  ///< bytes that may still be written; below 0: any number
  bool withReset_ = false;
  std::atomic<bool> broken_{false};
  std::size_t pieceBytes_ = 0;  ///< 0: at once
  int pauseMs_ = 0;
};

}  // namespace computesdk::simulators
