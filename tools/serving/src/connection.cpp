#include "connection.hpp"

#include "handed_stream.hpp"

namespace computesdk::serving {
namespace {

constexpr std::size_t kReadPiece = 64u << 10;
/// What a client may send ahead while its request is being answered.
constexpr std::size_t kPipeline = 64u << 10;
/// Bytes of answers that a client has not taken while its next request is looked at: without a bound, one that asks
/// ahead and never reads would fill the memory.
constexpr std::size_t kAnswersAhead = 256u << 10;
/// What is thrown away after a last answer, so that closing does not destroy it on its way.
constexpr std::size_t kLinger = 64u << 20;

}  // namespace

Connection::Connection(std::shared_ptr<Server::Core> server, StreamPtr stream, ConnectionOrigin origin)
    : server_(std::move(server)), stream_(std::move(stream)), origin_(std::move(origin)) {}

void Connection::start() {
  expectWithin(server_->options.headTimeout);
  readMore();
}

void Connection::readMore() {
  if (reading_ || eof_ || life_ == Life::dead || life_ == Life::given) return;
  reading_ = true;
  stream_->asyncRead(kReadPiece, [self = shared_from_this()](std::error_code error, std::string_view bytes) {
    self->arrived(error, bytes);
  });
}

void Connection::arrived(std::error_code error, std::string_view bytes) {
  reading_ = false;
  if (life_ == Life::given) {
    if (const auto handed = handed_.lock()) handed->deliver(error, bytes);
    return;
  }
  if (life_ == Life::dead) return;
  if (error) return broken();
  server_->bytesIn.add(bytes.size());
  if (life_ == Life::lingering) {
    bodyBytes_ += bytes.size();
    return bytes.empty() || bodyBytes_ > kLinger ? closeNow() : readMore();
  }
  bytes.empty() ? ended() : process(bytes);
}

void Connection::process(std::string_view bytes) {
  if (closing()) return;  // nothing more will be answered
  std::string held;
  if (!in_.empty()) {
    in_.append(bytes);
    held.swap(in_);
    bytes = held;
  }
  processing_ = true;
  while (life_ == Life::open && advance(bytes)) {
  }
  processing_ = false;
  if (life_ == Life::dead || life_ == Life::given) return;
  closing() ? in_.clear() : void(in_.assign(bytes));
  if (in_.empty() && in_.capacity() > 256) in_.shrink_to_fit();
  flush();
  if (wantsInput()) readMore();
}

/// One step with the bytes at hand; false when there is nothing more to do with them now.
bool Connection::advance(std::string_view& bytes) {
  if (closing()) return false;
  switch (input_) {
    case Input::idle:
      if (answer_ != Answer::none || server_->stopping() || crowded()) return false;
      // An empty line before a request is an old mistake of clients.
      while (!bytes.empty() && (bytes.front() == '\r' || bytes.front() == '\n')) bytes.remove_prefix(1);
      if (bytes.empty()) return false;
      parser_ = MessageParser::forRequest(server_->options.headLimit);
      began_ = Clock::now();
      ++number_;
      input_ = Input::head;
      expectWithin(server_->options.headTimeout);
      return true;
    case Input::head: return readHead(bytes);
    case Input::body: return readBodyPiece(bytes);
    case Input::full: return false;
  }
  return false;
}

bool Connection::readHead(std::string_view& bytes) {
  switch (parser_->put(bytes, {})) {
    case MessageParser::Step::more: return false;
    case MessageParser::Step::tooBig:
      refuse(431, "headers_too_large", "The request line and headers are longer than this server takes.");
      return false;
    case MessageParser::Step::bad:
      refuse(400, "bad_request", "This is not an HTTP request: " + parser_->complaint() + ".");
      return false;
    case MessageParser::Step::head:
    case MessageParser::Step::done:
      input_ = Input::body;
      expectWithin(server_->options.bodyTimeout);
      headDone();
      return true;
  }
  return false;
}

bool Connection::takePiece(std::string_view piece) {
  bodyBytes_ += piece.size();
  if (early_ && !starved_) return true;  // not wanted any more
  tooBig_ = bodyBytes_ > bodyLimit_;
  if (tooBig_) return false;
  if (starved_) return true;
  if (streamed_) {
    bodyPart_.append(piece);
    return true;
  }
  if (!request_.bodyShare) request_.bodyShare = std::make_shared<BodyShare>(server_->bodies);
  request_.bodyShare->grow(piece.size()) ? void(request_.body.append(piece)) : starve();
  return true;
}

/// Lets the body go. The rest of it is read all the same: a client that sends first and reads then hears the answer.
void Connection::starve() {
  server_->refusals.add();
  starved_ = true;
  dropBody();
  early_ = server_
               ->errorBody(503, "overloaded",
                           "The bodies of other requests take all the memory that there is for them; try again in a "
                           "second.")
               .with("Retry-After", "1");
}

void Connection::dropBody() {
  std::string().swap(request_.body);
  request_.bodyShare.reset();
}

bool Connection::readBodyPiece(std::string_view& bytes) {
  // A streamed body waits for its reader.
  if (streamed_ && hasBody_ && answer_ != Answer::complete && (!bodyReader_ || !bodyPart_.empty())) return false;
  const auto step = parser_->put(bytes, [this](std::string_view piece) { return takePiece(piece); });
  if (step == MessageParser::Step::bad || step == MessageParser::Step::tooBig) {
    if (tooBig_) {
      refuse(413, "body_too_large", "The body is longer than the " + std::to_string(bodyLimit_) + " bytes taken here.");
    } else {
      refuse(400, "bad_request", "This is not an HTTP request: " + parser_->complaint() + ".");
    }
    return false;
  }
  expectWithin(server_->options.bodyTimeout);
  if (step == MessageParser::Step::done) {
    input_ = Input::full;
    deadline_ = Clock::time_point::max();
    parser_.reset();
  }
  if (streamed_ && hasBody_) {
    deliverBody();
  } else if (input_ == Input::full) {
    dispatch();
  }
  if (input_ == Input::full && answer_ == Answer::complete) nextRequest();
  return step == MessageParser::Step::done;
}

/// Hands the reader of a streamed body what there is.
void Connection::deliverBody() {
  if (!bodyReader_ || (bodyPart_.empty() && input_ != Input::full)) return;
  const auto reader = std::exchange(bodyReader_, nullptr);
  const std::string part = std::exchange(bodyPart_, {});
  reader({}, part);
}

bool Connection::wantsInput() const noexcept {
  if (life_ != Life::open || eof_ || closing()) return false;
  if (input_ == Input::body && streamed_) return bodyReader_ != nullptr;
  if (input_ != Input::full) return !crowded();
  // Reading on tells when the client goes away. After an upgrade request the bytes belong to somebody else.
  return in_.size() < kPipeline && !upgrade_;
}

bool Connection::crowded() const noexcept {
  return input_ == Input::idle && answer_ == Answer::none && outBytes_ > kAnswersAhead;
}

/// The client has taken something: its next request may be looked at.
void Connection::resume() {
  if (life_ != Life::open || input_ != Input::idle || answer_ != Answer::none || processing_ || crowded()) return;
  if (!in_.empty()) return process({});
  if (wantsInput()) readMore();
}

void Connection::readBody(std::uint64_t number, BodyReader reader) {
  const bool current = number == number_ && life_ == Life::open && streamed_ && answer_ != Answer::complete;
  if (!current || (input_ == Input::body && eof_)) {
    server_->loop.post(
        [reader = std::move(reader)] { reader(std::make_error_code(std::errc::connection_aborted), {}); });
    return;
  }
  bodyReader_ = std::move(reader);
  if (std::exchange(continueOwed_, false)) enqueue("HTTP/1.1 100 Continue\r\n\r\n");
  if (input_ == Input::body) expectWithin(server_->options.bodyTimeout);
  if (processing_ && input_ == Input::body) return;  // whoever processes goes on
  // Later, so that a reader that asks for the next piece does not call itself.
  server_->loop.post([self = shared_from_this(), number] {
    if (number != self->number_ || self->life_ != Life::open || self->processing_) return;
    if (self->input_ == Input::full || !self->bodyPart_.empty()) self->deliverBody();
    self->process({});
  });
}

/// The client has ended its direction. What it asked for is still answered.
void Connection::ended() {
  eof_ = true;
  if (closing()) return;
  if (input_ == Input::idle && !writing_ && out_.empty()) return closeNow();
  if (input_ == Input::head || input_ == Input::body) {
    return refuse(400, "bad_request", "The connection ended within the request.");
  }
  tellGone();
}

void Connection::broken() {
  eof_ = true;
  closeNow();
}

void Connection::sweep(Clock::time_point now) {
  const auto self = shared_from_this();
  if (writing_ && now > writeDeadline_) return closeNow();
  if (life_ == Life::lingering && now > deadline_) return closeNow();
  if (now <= deadline_ || life_ == Life::dead || closing()) return;
  if (input_ == Input::idle && answer_ == Answer::none) {
    if (!writing_ && out_.empty()) closeNow();
  } else if (input_ == Input::head || (input_ == Input::body && (!streamed_ || bodyReader_))) {
    refuse(408, "request_timeout", "The request did not arrive in time.");
    flush();
  }
}

void Connection::drain() {
  keepAlive_ = false;
  if (input_ == Input::idle && answer_ == Answer::none && life_ == Life::open) {
    writing_ || !out_.empty() ? finishWriting() : closeNow();
  }
}

}  // namespace computesdk::serving
