#include "connection.hpp"
#include "handed_stream.hpp"

namespace computesdk::serving {
namespace {

constexpr std::size_t kWritePiece = 256u << 10;
/// Answers up to this size are put behind each other into one piece.
constexpr std::size_t kSmallPiece = 16u << 10;
constexpr std::chrono::seconds kLingerTime{2};

}  // namespace

void Connection::send(std::uint64_t number, Response response) {
  if (number == number_ && answer_ == Answer::owed && life_ == Life::open) {
    respond(std::move(response));
    if (!processing_) flush();
  }
}

/// Begins the answer: fields of the server, framing, state. The length that is announced.
std::uint64_t Connection::beginHead(Response& response, std::optional<std::uint64_t> length, bool whole) {
  // A body that nobody will read ends the connection.
  if (whole && input_ != Input::full) keepAlive_ = false;
  if (eof_ || server_->stopping()) keepAlive_ = false;
  server_->complete(response, request_, route_ != nullptr && route_->asItIs);
  chunked_ = !length && !http10_;
  if (!length && http10_) keepAlive_ = false;
  left_ = length;
  status_ = response.status;
  const bool bodiless = response.status < 200 || response.status == 204 || response.status == 304;
  bare_ = bare_ || bodiless;
  enqueue(answerHead(response, {.http10 = http10_, .keepAlive = keepAlive_, .chunked = chunked_, .length = length}));
  return length.value_or(0);
}

void Connection::respond(Response response) {
  beginHead(response, response.body.size(), true);
  if (!bare_) {
    answerBytes_ += response.body.size();
    enqueue(std::move(response.body));
  }
  answerComplete();
}

void Connection::begin(std::uint64_t number, Response response, std::optional<std::uint64_t> length) {
  if (number != number_ || answer_ != Answer::owed || life_ != Life::open) return;
  answer_ = Answer::begun;
  beginHead(response, length, false);
  if (!response.body.empty()) {
    write(number, std::move(response.body), {});
  } else if (!processing_) {
    flush();
  }
}

void Connection::write(std::uint64_t number, std::string bytes, std::function<void(bool)> taken) {
  if (number != number_ || answer_ != Answer::begun || life_ != Life::open) {
    if (taken) server_->loop.post([taken = std::move(taken)] { taken(false); });
    return;
  }
  // More than was announced would be read as the next answer.
  if (left_ && bytes.size() > *left_) bytes.resize(static_cast<std::size_t>(*left_));
  if (left_) *left_ -= bytes.size();
  if (!bare_ && !bytes.empty()) {
    answerBytes_ += bytes.size();
    if (chunked_) {
      char size[24];
      std::snprintf(size, sizeof size, "%zx\r\n", bytes.size());
      enqueue(size);
      bytes += "\r\n";
    }
    enqueue(std::move(bytes));
  }
  if (taken) taken_.push_back(std::move(taken));
  if (!processing_) flush();
}

void Connection::end(std::uint64_t number) {
  if (number != number_ || answer_ != Answer::begun || life_ != Life::open) return;
  if (!bare_ && left_.value_or(0) > 0) return closeNow();
  if (!bare_ && chunked_) enqueue("0\r\n\r\n");
  answerComplete();
  if (!processing_) flush();
}

void Connection::abort(std::uint64_t number) {
  if (number == number_ && life_ == Life::open && answer_ != Answer::complete) closeNow();
}

void Connection::onGone(std::uint64_t number, std::function<void()> gone) {
  if (number != number_ || answer_ == Answer::complete) return;
  if (eof_ || life_ == Life::dead) {
    server_->loop.post(std::move(gone));
  } else {
    gone_ = std::move(gone);
  }
}

void Connection::tellGone() {
  if (gone_) std::exchange(gone_, nullptr)();
}

void Connection::enqueue(std::string bytes) {
  if (bytes.empty()) return;
  outBytes_ += bytes.size();
  if (!out_.empty() && out_.back().size() + bytes.size() <= kSmallPiece) {
    out_.back() += bytes;
  } else {
    out_.push_back(std::move(bytes));
  }
}

/// Writes the next piece, unless one is on its way.
void Connection::flush() {
  if (writing_ || life_ == Life::dead) return;
  if (out_.empty()) {
    if (!taken_.empty()) {
      // Later, so that a writer that writes on does not call itself.
      server_->loop.post([self = shared_from_this()] {
        if (!self->writing_ && self->out_.empty()) self->written({});
      });
    }
    const bool last = (answer_ == Answer::complete && !keepAlive_) ||
                      (input_ == Input::idle && answer_ == Answer::none && (eof_ || server_->stopping()));
    if (last && life_ == Life::open) finishWriting();
    return;
  }
  writing_ = true;
  writeDeadline_ = Clock::now() + server_->options.writeTimeout;
  const std::string_view piece = std::string_view(out_.front()).substr(outOffset_, kWritePiece);
  outOffset_ += piece.size();
  outBytes_ -= piece.size();
  server_->bytesOut.add(piece.size());
  stream_->asyncWrite(piece, [self = shared_from_this()](std::error_code error) {
    self->writing_ = false;
    self->written(error);
  });
  if (outOffset_ == out_.front().size()) {
    out_.erase(out_.begin());
    outOffset_ = 0;
  }
}

void Connection::written(std::error_code error) {
  if (life_ == Life::dead) return;
  if (error) return closeNow();
  if (out_.empty()) {
    const auto self = shared_from_this();
    for (const auto& taken : std::exchange(taken_, {})) taken(true);
    if (life_ == Life::dead || writing_) return;
  }
  flush();
  resume();
}

void Connection::answerComplete() {
  answer_ = Answer::complete;
  gone_ = nullptr;
  record(status_);
  if (keepAlive_ && input_ == Input::full) {
    nextRequest();
  } else {
    keepAlive_ = false;
    if (!processing_) flush();
  }
}

/// Both states are at their end: looks at the next request.
void Connection::nextRequest() {
  if (!keepAlive_ || eof_ || server_->stopping()) {
    keepAlive_ = false;
    return;
  }
  input_ = Input::idle;
  answer_ = Answer::none;
  request_ = {};
  bodyReader_ = nullptr;
  expectWithin(server_->options.idleTimeout);
  if (processing_) return;
  flush();
  if (!in_.empty()) {
    server_->loop.post([self = shared_from_this()] {
      if (self->life_ == Life::open && !self->processing_) self->process({});
    });
  } else if (wantsInput()) {
    readMore();
  }
}

/// All is said: ends our direction, and waits a little for the client to end his.
void Connection::finishWriting() {
  if (writing_ || !out_.empty()) return;
  life_ = Life::lingering;
  in_.clear();
  bodyBytes_ = 0;
  deadline_ = Clock::now() + kLingerTime;
  stream_->halfClose();
  eof_ ? closeNow() : readMore();
}

void Connection::giveAway(std::uint64_t number, int status, std::string head, std::function<void(StreamPtr)> taken) {
  if (number != number_ || answer_ != Answer::owed || life_ != Life::open || eof_) {
    if (taken) server_->loop.post([taken = std::move(taken)] { taken(nullptr); });
    return;
  }
  answer_ = Answer::begun;
  status_ = status;
  enqueue(std::move(head));
  taken_.emplace_back([self = shared_from_this(), taken = std::move(taken)](bool open) {
    if (!open) return taken(nullptr);
    self->life_ = Life::given;
    self->answer_ = Answer::complete;
    self->record(self->status_);
    self->gone_ = nullptr;
    const auto handed = std::make_shared<HandedStream>(self->server_, self->stream_, std::move(self->in_));
    if (self->reading_) handed->expect();
    self->handed_ = handed;
    self->server_->forget(*self);
    taken(handed);
  });
  if (!processing_) flush();
}

void Connection::closeNow() {
  if (life_ == Life::dead || life_ == Life::given) return;
  const auto self = shared_from_this();
  life_ = Life::dead;
  if (answer_ == Answer::owed || answer_ == Answer::begun) record(answer_ == Answer::begun ? status_ : 0);
  stream_->close();
  out_.clear();
  outBytes_ = 0;
  in_.clear();
  for (auto& taken : std::exchange(taken_, {})) {
    server_->loop.post([taken = std::move(taken)] { taken(false); });
  }
  if (bodyReader_) {
    server_->loop.post([reader = std::exchange(bodyReader_, nullptr)] {
      reader(std::make_error_code(std::errc::connection_reset), {});
    });
  }
  if (gone_) server_->loop.post(std::exchange(gone_, nullptr));
  server_->forget(*this);
}

void Connection::record(int status) {
  AccessRecord record;
  record.id = request_.id;
  record.peer = request_.peer;
  record.method = request_.method;
  record.route = request_.route;
  record.status = status;
  record.bytesIn = bodyBytes_;
  record.bytesOut = answerBytes_;
  record.duration = std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - began_);
  if (server_->options.accessLog) {
    record.host = request_.host();
    record.target = maskTarget(request_.target);
  }
  server_->log(record);
}

}  // namespace computesdk::serving
