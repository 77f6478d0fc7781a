#include <computesdk/serving/proxy.hpp>

#include "answer_head.hpp"
#include "message_parser.hpp"
#include "prefixed_stream.hpp"

#include <cstdio>

namespace computesdk::serving {
namespace {

constexpr std::size_t kProxyPiece = 64u << 10;
constexpr std::size_t kAnswerHeadLimit = 64u << 10;

/// Fields that speak of one connection, not of the message.
bool isHopByHop(std::string_view name) {
  static constexpr std::string_view kNames[] = {"Connection",
                                                "Keep-Alive",
                                                "Proxy-Authenticate",
                                                "Proxy-Authorization",
                                                "Proxy-Connection",
                                                "TE",
                                                "Trailer",
                                                "Transfer-Encoding",
                                                "Upgrade",
                                                "Content-Length",
                                                "Expect"};
  for (const std::string_view hop : kNames) {
    if (equalNames(name, hop)) return true;
  }
  return false;
}

/// The fields that may pass: neither hop by hop, nor named by Connection.
Headers endToEnd(const Headers& headers) {
  Headers out;
  for (const auto& [name, value] : headers) {
    if (!isHopByHop(name) && !headers.hasToken("Connection", name)) out.add(name, value);
  }
  return out;
}

/// One request on its way through. Kept alive by what it waits for; `reply` and the upstream are let go at the end.
class Passage : public std::enable_shared_from_this<Passage> {
 public:
  Passage(Request request, Reply reply, StreamPtr upstream, ProxyOptions options)
      : request_(std::move(request)),
        reply_(std::move(reply)),
        upstream_(std::move(upstream)),
        options_(std::move(options)),
        upgrade_(request_.wantsUpgrade()) {}

  void start();

 private:
  std::string upstreamHead();
  void sendBody();
  void bodyPiece(std::error_code error, std::string_view bytes);
  void readAnswer();
  void answerBytes(std::error_code error, std::string_view bytes);
  void advance();
  void answerHead();
  void switchProtocols();
  void answerDone();
  void upstreamFailed(std::string_view why);
  void finish(bool reusable);
  Loop& loop() { return reply_.loop(); }

  Request request_;
  Reply reply_;
  StreamPtr upstream_;
  ProxyOptions options_;
  std::unique_ptr<MessageParser> parser_;
  std::string pending_;  ///< bytes of the upstream that were not looked at yet
  std::string piece_;    ///< of the answer's body
  Timer headTimer_;
  bool upgrade_;
  bool chunkedBody_ = false;
  bool bodyDone_ = false;
  bool answered_ = false;  ///< a byte of the answer has come
  bool headDone_ = false;
  bool over_ = false;
};

void Passage::start() {
  const auto self = shared_from_this();
  reply_.onGone([self] {
    // Nobody waits for the answer any more; the upstream may stop working on it.
    if (!self->over_) self->finish(false);
  });
  if (options_.headTimeout.count() > 0) {
    headTimer_ = loop().after(options_.headTimeout, [self] {
      if (self->over_) return;
      self->reply_.send(Response::error(504, "gateway_timeout", "The sandbox did not answer in time."));
      self->finish(false);
    });
  }
  parser_ = MessageParser::forAnswer(kAnswerHeadLimit, request_.method == "HEAD");
  std::string head = upstreamHead();
  const std::string_view length = request_.header("Content-Length");
  const bool hasBody = request_.headers.has("Transfer-Encoding") || (!length.empty() && length != "0");
  const bool streams = reply_.streamsBody() && hasBody && !upgrade_;
  bodyDone_ = !streams;
  if (!streams) head += std::exchange(request_.body, {});
  upstream_->asyncWrite(head, [self, streams](std::error_code error) {
    if (self->over_) return;
    if (error) return self->upstreamFailed("it closed the connection");
    if (streams) self->sendBody();
  });
  readAnswer();
}

std::string Passage::upstreamHead() {
  std::string out =
      request_.method + " " + (options_.target.empty() ? request_.target : options_.target) + " HTTP/1.1\r\n";
  Headers headers = endToEnd(request_.headers);
  for (const std::string& name : options_.remove) headers.remove(name);
  if (options_.host) headers.set("Host", *options_.host);
  if (options_.forwardedHeaders) {
    const std::string_view before = request_.header("X-Forwarded-For");
    headers.set("X-Forwarded-For", before.empty() ? request_.peer : std::string(before) + ", " + request_.peer);
    if (!headers.has("X-Forwarded-Proto")) headers.set("X-Forwarded-Proto", request_.secure ? "https" : "http");
    if (!headers.has("X-Forwarded-Host")) headers.set("X-Forwarded-Host", std::string(request_.header("Host")));
  }
  for (const auto& [name, value] : options_.set) headers.set(name, value);
  const std::string_view length = request_.header("Content-Length");
  chunkedBody_ = request_.headers.has("Transfer-Encoding") && reply_.streamsBody();
  if (upgrade_) {
    headers.set("Connection", "Upgrade");
    headers.set("Upgrade", std::string(request_.header("Upgrade")));
  } else if (chunkedBody_) {
    headers.set("Transfer-Encoding", "chunked");
  } else if (reply_.streamsBody() && !length.empty()) {
    headers.set("Content-Length", std::string(length));
  } else if (!request_.body.empty() || !length.empty()) {
    headers.set("Content-Length", std::to_string(request_.body.size()));
  }
  appendFields(out, headers);
  return out += "\r\n";
}

// The request's body ------------------------------------------------------------------------------------------------

void Passage::sendBody() {
  reply_.readBody([self = shared_from_this()](std::error_code error, std::string_view bytes) {
    if (!self->over_) self->bodyPiece(error, bytes);
  });
}

void Passage::bodyPiece(std::error_code error, std::string_view bytes) {
  if (error) return finish(false);
  const bool last = bytes.empty();
  if (last && !chunkedBody_) {
    bodyDone_ = true;
    return;
  }
  std::string framed;
  if (chunkedBody_) {
    char size[24];
    std::snprintf(size, sizeof size, "%zx\r\n", bytes.size());
    framed.reserve(bytes.size() + sizeof size + 2);
    framed.append(size).append(bytes).append("\r\n");
    bytes = framed;
  }
  upstream_->asyncWrite(bytes, [self = shared_from_this(), last](std::error_code failed) {
    if (self->over_) return;
    // An upstream that answers without reading on may have closed; its answer counts.
    if (failed) return;
    self->bodyDone_ = last;
    if (!last) self->sendBody();
  });
}

// The answer --------------------------------------------------------------------------------------------------------

void Passage::readAnswer() {
  upstream_->asyncRead(kProxyPiece, [self = shared_from_this()](std::error_code error, std::string_view bytes) {
    if (!self->over_) self->answerBytes(error, bytes);
  });
}

void Passage::answerBytes(std::error_code error, std::string_view bytes) {
  if (!error && !bytes.empty()) {
    answered_ = true;
    pending_.append(bytes);
    return advance();
  }
  if (!error && headDone_ && parser_->end() == MessageParser::Step::done) return answerDone();
  if (!answered_ && !headDone_ && options_.onStale && request_.body.empty() &&
      !request_.headers.has("Content-Length") && !request_.headers.has("Transfer-Encoding")) {
    // The client is served by somebody else from here on.
    const auto stale = std::exchange(options_.onStale, nullptr);
    const Reply reply = reply_;
    Request request = request_;
    reply.onGone({});
    if (stale(std::move(request), reply)) return finish(false);
  }
  upstreamFailed("it closed the connection");
}

/// Goes as far as the bytes at hand allow.
void Passage::advance() {
  while (!over_) {
    std::string_view bytes = pending_;
    const auto step = parser_->put(bytes, [this](std::string_view piece) {
      piece_.append(piece);
      return true;
    });
    pending_.erase(0, pending_.size() - bytes.size());
    if (step == MessageParser::Step::bad || step == MessageParser::Step::tooBig) {
      return upstreamFailed("its answer is not HTTP");
    }
    if (step == MessageParser::Step::head) {
      answerHead();
      continue;
    }
    const bool done = step == MessageParser::Step::done;
    if (!piece_.empty()) {
      reply_.write(std::exchange(piece_, {}), [self = shared_from_this(), done](bool open) {
        if (self->over_ || done) return;
        open ? self->readAnswer() : self->finish(false);
      });
      if (!done) return;
    }
    return done ? answerDone() : readAnswer();
  }
}

void Passage::answerHead() {
  MessageHead& head = parser_->head();
  if (head.status == 101 && upgrade_) return switchProtocols();
  if (head.status < 200) {
    // An interim answer: the real one follows.
    parser_ = MessageParser::forAnswer(kAnswerHeadLimit, request_.method == "HEAD");
    return;
  }
  headDone_ = true;
  headTimer_.cancel();
  Response response;
  response.status = head.status;
  response.headers = endToEnd(head.headers);
  if (options_.onHead) options_.onHead(response);
  reply_.begin(std::move(response), head.contentLength);
}

void Passage::switchProtocols() {
  MessageHead& head = parser_->head();
  Response response;
  response.status = 101;
  response.headers = endToEnd(head.headers);
  response.headers.set("Connection", "Upgrade");
  response.headers.set("Upgrade", std::string(head.headers.get("Upgrade")));
  over_ = true;
  headTimer_.cancel();
  const StreamPtr upstream = withPrefix(reply_.loop(), std::exchange(upstream_, nullptr), std::exchange(pending_, {}));
  reply_.takeStream(response,
                    [upstream](StreamPtr client) { client ? tunnel(std::move(client), upstream) : upstream->close(); });
  reply_ = {};
}

void Passage::answerDone() {
  reply_.end();
  const bool reusable = bodyDone_ && pending_.empty() && parser_->head().keepAlive;
  finish(reusable);
}

void Passage::upstreamFailed(std::string_view why) {
  if (headDone_) {
    reply_.abort();
  } else {
    reply_.send(Response::error(502, "bad_gateway", "The sandbox cannot be reached: " + std::string(why) + "."));
  }
  finish(false);
}

void Passage::finish(bool reusable) {
  if (std::exchange(over_, true)) return;
  headTimer_.cancel();
  const StreamPtr upstream = std::exchange(upstream_, nullptr);
  if (reusable && options_.onReusable) {
    options_.onReusable(upstream);
  } else {
    upstream->close();
  }
  // What the answer waits for is its own; this passage must not keep it.
  const Reply reply = std::exchange(reply_, {});
}

}  // namespace

void proxy(Request request, Reply reply, StreamPtr upstream, ProxyOptions options) {
  std::make_shared<Passage>(std::move(request), std::move(reply), std::move(upstream), std::move(options))->start();
}

}  // namespace computesdk::serving
