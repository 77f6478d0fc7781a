#pragma once

#include "loop_core.hpp"

#include <computesdk/serving/byte_stream.hpp>

#include <boost/asio/async_result.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/beast/core/role.hpp>

#include <cstring>

namespace computesdk::serving {

/// A ByteStream in the shape that Beast's WebSocket wants.
class BeastStream {
 public:
  using executor_type = boost::asio::io_context::executor_type;
  using error_code = boost::system::error_code;

  BeastStream(Loop& loop, StreamPtr stream) : loop_(&loop), stream_(std::move(stream)) {}

  executor_type get_executor() noexcept { return loop_->core().io.get_executor(); }
  [[nodiscard]] ByteStream& bytes() noexcept { return *stream_; }

  template <class Buffers, class Token>
  auto async_read_some(const Buffers& buffers, Token&& token) {
    return boost::asio::async_initiate<Token, void(error_code, std::size_t)>(
        [this, buffers](auto handler) {
          boost::asio::mutable_buffer target;
          for (auto at = boost::asio::buffer_sequence_begin(buffers);
               target.size() == 0 && at != boost::asio::buffer_sequence_end(buffers); ++at) {
            target = *at;
          }
          auto shared = std::make_shared<decltype(handler)>(std::move(handler));
          stream_->asyncRead(target.size(), [shared, target](std::error_code failed, std::string_view bytes) {
            error_code error;
            if (failed) {
              error = boost::asio::error::connection_reset;
            } else if (bytes.empty()) {
              error = boost::asio::error::eof;
            }
            if (!bytes.empty()) std::memcpy(target.data(), bytes.data(), bytes.size());
            std::move (*shared)(error, bytes.size());
          });
        },
        token);
  }

  template <class Buffers, class Token>
  auto async_write_some(const Buffers& buffers, Token&& token) {
    return boost::asio::async_initiate<Token, void(error_code, std::size_t)>(
        [this, buffers](auto handler) {
          // Header and payload together, so that they leave in one segment. The stream copies what it cannot send.
          thread_local std::string piece;
          piece.resize(std::min(boost::asio::buffer_size(buffers), kPiece));
          boost::asio::buffer_copy(boost::asio::buffer(piece), buffers);
          auto shared = std::make_shared<decltype(handler)>(std::move(handler));
          stream_->asyncWrite(piece, [shared, size = piece.size()](std::error_code failed) {
            const error_code error = failed ? error_code(boost::asio::error::connection_reset) : error_code();
            std::move (*shared)(error, failed ? 0 : size);
          });
        },
        token);
  }

 private:
  static constexpr std::size_t kPiece = 64u << 10;

  Loop* loop_;
  StreamPtr stream_;
};

// Found by Beast when a WebSocket ends.
template <class Handler>
void async_teardown(boost::beast::role_type, BeastStream& stream, Handler&& handler) {
  stream.bytes().halfClose();
  boost::asio::post(stream.get_executor(),
                    [handler = std::forward<Handler>(handler)]() mutable { handler(boost::system::error_code()); });
}
inline void teardown(boost::beast::role_type, BeastStream& stream, boost::system::error_code& error) {
  stream.bytes().halfClose();
  error = {};
}
inline void beast_close_socket(BeastStream& stream) { stream.bytes().close(); }

}  // namespace computesdk::serving
