// The least that an HTTP server on Beast does: the baseline of the gateway's /health. One thread, keep-alive, one short
// answer with as many fields as the gateway's.
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>

#include <cstdio>
#include <memory>

namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;

class Session : public std::enable_shared_from_this<Session> {
 public:
  explicit Session(tcp::socket socket) : socket_(std::move(socket)) {
    answer_.result(http::status::ok);
    answer_.version(11);
    answer_.set(http::field::server, "baseline");
    answer_.set(http::field::content_type, "application/json");
    for (const char* name : {"X-Content-Type-Options", "X-Frame-Options", "Referrer-Policy", "Content-Security-Policy",
                             "Cache-Control", "X-Request-Id"}) {
      answer_.set(name, "a-value-of-usual-length");
    }
    answer_.body() = R"({"status":"ok","timestamp":"2026-01-01T00:00:00.000Z"})";
    answer_.prepare_payload();
  }

  void read() {
    request_ = {};
    http::async_read(socket_, buffer_, request_, [self = shared_from_this()](beast::error_code error, std::size_t) {
      if (!error) self->write();
    });
  }

 private:
  void write() {
    http::async_write(socket_, answer_, [self = shared_from_this()](beast::error_code error, std::size_t) {
      if (!error) self->read();
    });
  }

  tcp::socket socket_;
  beast::flat_buffer buffer_;
  http::request<http::string_body> request_;
  http::response<http::string_body> answer_;
};

void accept(tcp::acceptor& acceptor) {
  acceptor.async_accept([&acceptor](beast::error_code error, tcp::socket socket) {
    if (!error) {
      socket.set_option(tcp::no_delay(true), error);
      std::make_shared<Session>(std::move(socket))->read();
    }
    accept(acceptor);
  });
}

}  // namespace

int main() {
  try {
    asio::io_context io{1};
    tcp::acceptor acceptor(io, tcp::endpoint(asio::ip::address_v4::loopback(), 0));
    accept(acceptor);
    std::printf("listening on http://127.0.0.1:%d\n", acceptor.local_endpoint().port());
    std::fflush(stdout);
    io.run();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "gateway_beast_baseline: %s\n", error.what());
  }
  return 1;
}
