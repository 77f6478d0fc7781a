#pragma once

#include <computesdk/export.hpp>
#include <computesdk/result.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <stop_token>
#include <string_view>

namespace computesdk {

namespace detail {
class PortStreamState;
}

/// How a port of a sandbox is dialled. The functions run on a thread of the stream, one at a time.
struct DialOptions {
  std::uint16_t port = 0;  ///< from 1
  /// Somebody listens there and the stream stands. Not every provider can say so before the first byte.
  std::function<void()> onOpen = {};
  /// Takes what the port sends, in order. A call that blocks holds the port back.
  std::function<void(std::span<const std::byte> bytes)> onBytes = {};
  /// The port sends no more; the other direction may go on.
  std::function<void()> onEnd = {};
  /// The last call of all. `error`: why the stream broke, or nobody listens there; null after an orderly end.
  std::function<void(const ErrorInfo* error)> onClosed = {};
  std::stop_token stop = {};  ///< closes the stream
};

/// A two-way stream of bytes to a port inside of a sandbox: Sandbox::dialPort. It needs no network in the sandbox and
/// no listener outside. Move-only; the destructor closes it. Thread-safe.
class COMPUTESDK_API PortStream {
 public:
  PortStream(PortStream&&) noexcept;
  PortStream& operator=(PortStream&&) noexcept;
  ~PortStream();

  /// Sends all of it; waits while more than 256 KiB lie unsent. Errors: E_PRECONDITION after closeWrite, E_NETWORK when
  /// the stream has ended, E_CANCELLED.
  void write(std::span<const std::byte> bytes, std::stop_token stop = {}) {
    write(nothrow, bytes, std::move(stop)).value();
  }
  void write(std::string_view text, std::stop_token stop = {}) {
    write(nothrow, std::as_bytes(std::span{text}), std::move(stop)).value();
  }
  Result<void> write(Nothrow, std::span<const std::byte> bytes, std::stop_token stop = {});
  /// Says that no more will come; the port may still send. Idempotent.
  void closeWrite() noexcept;
  /// Ends both directions and waits until no function of DialOptions runs, unless one of them calls this. Idempotent.
  void close() noexcept;
  /// Whether onClosed has come or is about to.
  [[nodiscard]] bool closed() const noexcept;

 private:
  friend class Sandbox;
  explicit PortStream(std::shared_ptr<detail::PortStreamState> state) noexcept;
  std::shared_ptr<detail::PortStreamState> state_;
};

}  // namespace computesdk
