#pragma once

#include <computesdk/result.hpp>
#include <computesdk/serving/loop.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>

namespace computesdk::serving {

/// Bytes both ways: a socket, a TLS connection, or a connection that a provider dialled. All functions are called on
/// the loop's thread, and handlers are called there, never before the call that took them has returned. At most one
/// read and one write are under way at a time. A stream that waits owns no buffer.
class ByteStream {
 public:
  /// `bytes` is valid during the call. No error and no bytes: the peer has ended its direction.
  using ReadHandler = std::function<void(std::error_code error, std::string_view bytes)>;
  using WriteHandler = std::function<void(std::error_code error)>;

  virtual ~ByteStream() = default;

  /// Waits for bytes and hands over 1 to `most` of them.
  virtual void asyncRead(std::size_t most, ReadHandler handler) = 0;
  /// Writes all of `bytes`; they are valid until this function returns (what the peer does not take at once is copied).
  virtual void asyncWrite(std::string_view bytes, WriteHandler handler) = 0;
  /// Ends our direction after what was written; reading goes on.
  virtual void halfClose() = 0;
  /// Ends both directions at once. A read or write under way ends with an error. Twice is harmless.
  virtual void close() = 0;
  /// Whether the peer has neither ended its direction nor sent what nobody reads, as far as that is known here without
  /// waiting: a connection that was kept and is not quiet cannot carry another request. Only while no read is under
  /// way.
  [[nodiscard]] virtual bool quiet() { return true; }
};

using StreamPtr = std::shared_ptr<ByteStream>;
using DialHandler = std::function<void(Result<StreamPtr> stream)>;

/// Connects to a numeric address. Any thread; `handler` runs on the loop's thread. E_NETWORK on failure, E_TIMEOUT
/// after `timeout`.
void dialTcp(Loop& loop, const std::string& address, std::uint16_t port, std::chrono::milliseconds timeout,
             DialHandler handler);
/// Connects to a Unix socket; a path that begins with '@' is in the abstract namespace. As dialTcp.
void dialUnix(Loop& loop, const std::string& path, std::chrono::milliseconds timeout, DialHandler handler);
/// Takes over a connected stream socket, which is made non-blocking; closed with the stream, or at once on failure. The
/// loop's thread only.
Result<StreamPtr> adoptSocket(Loop& loop, int descriptor);

/// Copies bytes both ways between two streams, each direction until its end, which is passed on as a half close; an
/// error ends both. Keeps both alive by itself. No buffer is held while nothing moves. `done` (may be empty) is called
/// once with the bytes moved from a to b and from b to a. The loop's thread only.
void tunnel(StreamPtr a, StreamPtr b, std::function<void(std::uint64_t aToB, std::uint64_t bToA)> done = {});

}  // namespace computesdk::serving
