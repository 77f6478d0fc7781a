#pragma once

#include <openssl/ssl.h>

#include <cstddef>
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
  /// The peer has closed or reset the connection.
  [[nodiscard]] bool peerGone() const;
  /// Ends the connection so that the peer sees a reset.
  void reset();
  void close();

 private:
  bool wait(short events);
  template <class Op>
  long perform(Op op, short plainEvents);

  int fd_;
  const int stop_;
  SSL* ssl_ = nullptr;
  std::mutex mutex_;  ///< guards ssl_, which knows no threads
};

}  // namespace computesdk::simulators
