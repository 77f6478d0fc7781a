#include "handed_stream.hpp"

namespace computesdk::serving {

HandedStream::HandedStream(std::shared_ptr<Server::Core> server, StreamPtr inner, std::string first)
    : server_(std::move(server)), inner_(std::move(inner)), first_(std::move(first)) {
  server_->handed(*this);
}

HandedStream::~HandedStream() { server_->forget(*this); }

void HandedStream::deliver(std::error_code error, std::string_view bytes) {
  expecting_ = false;
  server_->bytesIn.add(bytes.size());
  first_.append(bytes);
  error_ = error;
  ended_ = !error && bytes.empty();
  if (waiting_) readFirst();
}

void HandedStream::goodbye() {
  if (stop_) std::exchange(stop_, nullptr)();
}

void HandedStream::asyncRead(std::size_t most, ReadHandler handler) {
  if (first_.empty() && !expecting_ && !ended_ && !error_) {
    inner_->asyncRead(most,
                      [server = server_, handler = std::move(handler)](std::error_code error, std::string_view bytes) {
                        server->bytesIn.add(bytes.size());
                        handler(error, bytes);
                      });
    return;
  }
  most_ = most;
  waiting_ = std::move(handler);
  if (!expecting_ || !first_.empty()) {
    server_->loop.post([self = shared_from_this()] {
      if (self->waiting_) self->readFirst();
    });
  }
}

void HandedStream::readFirst() {
  const std::string bytes = first_.substr(0, most_);
  first_.erase(0, bytes.size());
  if (first_.empty()) first_.shrink_to_fit();
  const auto handler = std::exchange(waiting_, nullptr);
  handler(bytes.empty() ? error_ : std::error_code(), bytes);
}

void HandedStream::asyncWrite(std::string_view bytes, WriteHandler handler) {
  server_->bytesOut.add(bytes.size());
  inner_->asyncWrite(bytes, std::move(handler));
}

void HandedStream::close() {
  inner_->close();
  // A handler that stayed here would keep its owner alive, and with it this stream.
  if (waiting_) {
    server_->loop.post([handler = std::exchange(waiting_, nullptr)] {
      handler(std::make_error_code(std::errc::operation_canceled), {});
    });
  }
}

namespace {

constexpr std::chrono::seconds kFarewell{2};

void discard(const StreamPtr& stream, const std::shared_ptr<Timer>& timer) {
  stream->asyncRead(64u << 10, [stream, timer](std::error_code error, std::string_view bytes) {
    if (!error && !bytes.empty()) return discard(stream, timer);
    timer->cancel();
    stream->close();
  });
}

}  // namespace

void closeGently(Loop& loop, const StreamPtr& stream) {
  stream->halfClose();
  const auto timer = std::make_shared<Timer>(loop.after(kFarewell, [stream] { stream->close(); }));
  discard(stream, timer);
}

}  // namespace computesdk::serving
