#include "proxy/http_tunnel.hpp"

#include <charconv>
#include <memory>
#include <system_error>
#include <utility>

namespace computesdk::gateway {
namespace {

constexpr std::size_t kHeadLimit = 16 * 1024;

/// One CONNECT. Kept alive by its timer and by the read or write under way, until finish().
class Tunnelling : public std::enable_shared_from_this<Tunnelling> {
 public:
  Tunnelling(serving::StreamPtr stream, std::string target, serving::DialHandler handler)
      : stream_(std::move(stream)), target_(std::move(target)), handler_(std::move(handler)) {}

  void start(serving::Loop& loop, const std::string& authorization, std::chrono::milliseconds time) {
    timer_ = loop.after(
        time, [self = shared_from_this()] { self->refuse(ErrorCode::timeout, "the proxy did not answer in time"); });
    std::string head = "CONNECT " + target_ + " HTTP/1.1\r\nHost: " + target_ + "\r\n";
    if (!authorization.empty()) head += "Proxy-Authorization: " + authorization + "\r\n";
    stream_->asyncWrite(head + "\r\n", [self = shared_from_this()](std::error_code error) {
      if (error) self->refuse(ErrorCode::network, "the proxy closed the connection");
    });
    read();
  }

 private:
  void read() {
    stream_->asyncRead(kHeadLimit, [self = shared_from_this()](std::error_code error, std::string_view bytes) {
      self->take(error, bytes);
    });
  }

  void take(std::error_code error, std::string_view bytes) {
    if (!handler_) return;
    if (error || bytes.empty()) return refuse(ErrorCode::network, "the proxy closed the connection");
    head_.append(bytes);
    const std::size_t end = head_.find("\r\n\r\n");
    if (end == std::string::npos) {
      return head_.size() < kHeadLimit ? read() : refuse(ErrorCode::network, "the proxy's answer is not HTTP");
    }
    int status = 0;
    const bool http = head_.starts_with("HTTP/1.") && head_.size() > 12;
    if (http) std::from_chars(head_.data() + 9, head_.data() + 12, status);
    if (status < 200 || status > 299) {
      return refuse(ErrorCode::network, status == 0 ? std::string("the proxy's answer is not HTTP")
                                                    : "the proxy refused with HTTP " + std::to_string(status));
    }
    // In TLS the client speaks first: bytes after the head are not the target's.
    if (end + 4 != head_.size()) return refuse(ErrorCode::network, "the proxy's answer is not HTTP");
    timer_.cancel();
    std::exchange(handler_, nullptr)(std::move(stream_));
  }

  void refuse(ErrorCode code, std::string why) {
    if (!handler_) return;
    timer_.cancel();
    stream_->close();
    ErrorInfo error;
    error.code = code;
    error.what = "cannot connect to " + target_ + " through the proxy";
    error.why = std::move(why);
    error.fix = "check HTTPS_PROXY and NO_PROXY of the gateway";
    error.retryable = true;
    std::exchange(handler_, nullptr)(std::move(error));
  }

  serving::StreamPtr stream_;
  const std::string target_;
  serving::DialHandler handler_;  ///< empty: it is over
  std::string head_;
  serving::Timer timer_;
};

}  // namespace

void dialTunnel(serving::Loop& loop, const HttpTunnel& tunnel, std::chrono::milliseconds time,
                serving::DialHandler handler) {
  serving::dialTcp(
      loop, tunnel.address, tunnel.port, time,
      [&loop, target = tunnel.target, authorization = tunnel.authorization, time,
       handler = std::move(handler)](Result<serving::StreamPtr> stream) {
        if (!stream) return handler(std::move(stream));
        std::make_shared<Tunnelling>(std::move(*stream), target, handler)->start(loop, authorization, time);
      });
}

}  // namespace computesdk::gateway
