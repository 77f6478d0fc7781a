#include "answer.hpp"

#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>

#include <algorithm>
#include <limits>

// One of the module's two files that read Beast.
namespace computesdk::net {
namespace {

namespace http = boost::beast::http;
using boost::system::error_code;

constexpr std::size_t kMaxHead = 64 * 1024;
constexpr std::size_t kMaxFields = 256;
constexpr std::size_t kMaxInformational = 16;
constexpr std::size_t kMaxChunkLine = 16 * 1024;

std::string lowerCase(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? char(c + 32) : c; });
  return out;
}

}  // namespace

const std::string* findHeader(const Headers& headers, std::string_view name) {
  const auto found = std::find_if(headers.begin(), headers.end(), [&](const auto& one) { return one.first == name; });
  return found == headers.end() ? nullptr : &found->second;
}

class AnswerReader::Parser : public http::basic_parser<false> {
 public:
  explicit Parser(const std::function<void(std::string_view)>& body) : body_(body) {
    header_limit(kMaxHead);
    body_limit(std::numeric_limits<std::uint64_t>::max());
  }

  Head head;

 private:
  using view = boost::beast::string_view;

  void on_request_impl(http::verb, view, view, int, error_code&) override {}
  void on_response_impl(int code, view, int, error_code& error) override {
    error = {};
    head.status = code;
  }
  void on_field_impl(http::field, view name, view value, error_code& error) override {
    error = {};
    if (head.headers.size() >= kMaxFields) {
      error = http::error::header_limit;
      return;
    }
    head.headers.emplace_back(lowerCase({name.data(), name.size()}), std::string(value.data(), value.size()));
  }
  void on_header_impl(error_code& error) override { error = {}; }
  void on_body_init_impl(boost::optional<std::uint64_t> const&, error_code& error) override { error = {}; }
  std::size_t on_body_impl(view body, error_code& error) override {
    error = {};
    body_({body.data(), body.size()});
    return body.size();
  }
  void on_chunk_header_impl(std::uint64_t, view, error_code& error) override { error = {}; }
  std::size_t on_chunk_body_impl(std::uint64_t, view body, error_code& error) override {
    error = {};
    body_({body.data(), body.size()});
    return body.size();
  }
  void on_finish_impl(error_code& error) override { error = {}; }

  const std::function<void(std::string_view)>& body_;
};

AnswerReader::AnswerReader(bool headRequest, std::function<void(std::string_view)> body)
    : headRequest_(headRequest), body_(std::move(body)), parser_(std::make_unique<Parser>(body_)) {
  parser_->skip(headRequest_);
}

AnswerReader::~AnswerReader() = default;

bool AnswerReader::hasHead() const noexcept { return parser_->is_header_done(); }
const Head& AnswerReader::head() const noexcept { return parser_->head; }
bool AnswerReader::done() const noexcept { return parser_->is_done(); }
bool AnswerReader::untouched() const noexcept { return !touched_; }
bool AnswerReader::reusable() const noexcept { return done() && kept_.empty() && parser_->keep_alive(); }

std::string AnswerReader::feed(std::span<const std::byte> bytes) {
  std::string_view now(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  touched_ = touched_ || !now.empty();
  if (!kept_.empty()) now = kept_.append(now);
  std::size_t used = 0;
  std::string problem;
  const bool hadHead = hasHead();
  parser_->eager(hadHead);
  while (used < now.size() && !done()) {
    error_code error;
    const std::size_t took = parser_->put(boost::asio::const_buffer(now.data() + used, now.size() - used), error);
    used += took;
    if (error == http::error::need_more || (!error && took == 0 && !hasHead())) break;
    if (error) {
      problem = error.message();
      break;
    }
    if (!hasHead()) continue;
    const int status = head().status;
    if (status / 100 == 1 && status != 101) {
      // The real answer is still to come.
      if (++informational_ > kMaxInformational) {
        problem = "it keeps sending informational answers";
        break;
      }
      parser_ = std::make_unique<Parser>(body_);
      parser_->skip(headRequest_);
      continue;
    }
    if (!hadHead) {
      parser_->head.keepAlive = parser_->keep_alive();
      break;
    }
    if (took == 0) break;
  }
  const std::string_view rest = now.substr(used);
  if (problem.empty() && rest.size() > (hasHead() ? kMaxChunkLine : kMaxHead) && !done() && hadHead == hasHead()) {
    problem = hasHead() ? "a line of the chunked coding has no end" : "the head has no end";
  }
  std::string left(rest);
  kept_.swap(left);
  return problem;
}

std::string AnswerReader::end() {
  if (done()) return {};
  if (!parser_->got_some()) return "nothing came";
  error_code error;
  parser_->put_eof(error);
  return error || !done() ? "the answer was cut off" : std::string();
}

}  // namespace computesdk::net
