#include "message_parser.hpp"

#include <boost/beast/http/basic_parser.hpp>

namespace computesdk::serving {
namespace {

namespace http = boost::beast::http;
using boost::beast::error_code;
using boost::beast::string_view;

std::string_view plain(string_view text) noexcept { return {text.data(), text.size()}; }

/// Beast's parser, which calls these functions while it reads.
template <bool isRequest>
class BeastParser final : public http::basic_parser<isRequest> {
 public:
  BeastParser(MessageHead& head, std::size_t headLimit) : head_(head) {
    this->header_limit(static_cast<std::uint32_t>(headLimit));
    this->body_limit(boost::none);
  }

  const MessageParser::BodySink* sink = nullptr;

 private:
  bool pass(string_view piece) { return sink != nullptr && *sink && (*sink)(plain(piece)); }

  void on_request_impl(http::verb, string_view method, string_view target, int version, error_code& error) override {
    head_.method = plain(method);
    head_.target = plain(target);
    head_.version = version;
    error = {};
  }
  void on_response_impl(int code, string_view, int version, error_code& error) override {
    head_.status = code;
    head_.version = version;
    error = {};
  }
  void on_field_impl(http::field, string_view name, string_view value, error_code& error) override {
    // Trailers are dropped: nobody has checked that they may be there.
    if (!headDone_) head_.headers.add(std::string(plain(name)), std::string(plain(value)));
    error = {};
  }
  void on_header_impl(error_code& error) override {
    headDone_ = true;
    error = {};
  }
  void on_body_init_impl(boost::optional<std::uint64_t> const&, error_code& error) override { error = {}; }
  std::size_t on_body_impl(string_view piece, error_code& error) override {
    error = {};
    if (!pass(piece)) error = http::error::body_limit;
    return piece.size();
  }
  void on_chunk_header_impl(std::uint64_t, string_view, error_code& error) override { error = {}; }
  std::size_t on_chunk_body_impl(std::uint64_t, string_view piece, error_code& error) override {
    return on_body_impl(piece, error);
  }
  void on_finish_impl(error_code& error) override { error = {}; }

  MessageHead& head_;
  bool headDone_ = false;
};

template <bool isRequest>
class Parser final : public MessageParser {
 public:
  Parser(std::size_t headLimit, bool headOnly) : limit_(headLimit), parser_(head_, headLimit) {
    if (headOnly) parser_.skip(true);
  }

  Step put(std::string_view& bytes, const BodySink& sink) override {
    if (parser_.is_done()) return Step::done;
    parser_.sink = &sink;
    // First up to the end of the head, then as much of the body as there is.
    const bool inHead = !parser_.is_header_done();
    parser_.eager(!inHead);
    error_code error;
    const std::string_view given = bytes;
    bytes.remove_prefix(parser_.put(boost::asio::const_buffer(bytes.data(), bytes.size()), error));
    parser_.sink = nullptr;
    if (error && error != http::error::need_more) return refuse(error);
    if (inHead) {
      const std::string_view text = given.substr(0, given.size() - bytes.size());
      // A folded line is only taken together with the line that it continues.
      folded_ =
          folded_ || text.find("\r\n ") != std::string_view::npos || text.find("\r\n\t") != std::string_view::npos;
      if ((headBytes_ += text.size()) > limit_) return Step::tooBig;
      if (parser_.is_header_done()) return headStep();
    }
    if (parser_.is_done()) return Step::done;
    if (bytes.size() > limit_) return inHead ? Step::tooBig : complain("a chunk's header is too long");
    return Step::more;
  }

  Step end() override {
    if (parser_.is_done()) return Step::done;
    if (!parser_.got_some()) return complain("the connection ended before the message");
    error_code error;
    parser_.put_eof(error);
    return error ? complain("the connection ended within the message") : Step::done;
  }

  [[nodiscard]] bool started() const override { return parser_.got_some(); }

 private:
  Step complain(std::string_view why) {
    complaint_ = why;
    return Step::bad;
  }
  Step refuse(const error_code& error) {
    return error == http::error::header_limit ? Step::tooBig : complain(error.message());
  }
  Step headStep() {
    head_.keepAlive = parser_.keep_alive();
    head_.chunked = parser_.chunked();
    if (const auto length = parser_.content_length()) head_.contentLength = *length;
    if (folded_) return complain("a header line is folded");
    const std::size_t lengths = head_.headers.count("Content-Length");
    const std::size_t encodings = head_.headers.count("Transfer-Encoding");
    if (lengths > 1 || (lengths == 1 && head_.headers.get("Content-Length").find(',') != std::string_view::npos)) {
      return complain("the length is given twice");
    }
    if (encodings > 0 && lengths > 0) return complain("both a length and a transfer encoding are given");
    if (encodings > 1 || (encodings == 1 && !equalNames(head_.headers.get("Transfer-Encoding"), "chunked"))) {
      return complain("the transfer encoding is not \"chunked\"");
    }
    if (encodings == 1 && head_.version < 11) return complain("HTTP/1.0 has no transfer encoding");
    return Step::head;
  }

  std::size_t limit_;
  std::size_t headBytes_ = 0;
  bool folded_ = false;
  BeastParser<isRequest> parser_;
};

}  // namespace

std::unique_ptr<MessageParser> MessageParser::forRequest(std::size_t headLimit) {
  return std::make_unique<Parser<true>>(headLimit, false);
}

std::unique_ptr<MessageParser> MessageParser::forAnswer(std::size_t headLimit, bool headOnly) {
  return std::make_unique<Parser<false>>(headLimit, headOnly);
}

}  // namespace computesdk::serving
