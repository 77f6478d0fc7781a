#include "http_line.hpp"

#include "net/http_frames.hpp"

#include <algorithm>
#include <deque>
#include <string>
#include <string_view>
#include <utility>

namespace computesdk::plugin_host {

using namespace registry::host;
using namespace registry::net;

/// One request at this end: what was written and has no place on the line yet waits here.
class HttpLine::Request {
 public:
  Request(Channel& channel, std::shared_ptr<EventReceiver> receiver, std::uint64_t number)
      : channel_(channel), receiver_(std::move(receiver)), number_(number) {}

  void send(HttpFrame kind, std::string_view rest, std::string_view more = {}) {
    channel_.send(FrameType::http, static_cast<std::uint16_t>(kind), receiver_->tag(), httpBody(number_, rest, more));
  }

  csdk_status write(std::uint32_t flags, std::string_view data) {
    const std::lock_guard lock(mutex_);
    // Only the last part ends the message.
    do {
      const std::string_view part = data.substr(0, kDataChunk);
      data.remove_prefix(part.size());
      waiting_.push_back({data.empty() ? flags : flags & ~CSDK_HTTP_FINAL, std::string(part)});
      queued_ += static_cast<std::int64_t>(part.size());
    } while (!data.empty());
    pump();
    paused_ = paused_ || queued_ > kWriteWindow;
    return paused_ ? CSDK_PAUSE : CSDK_OK;
  }

  bool credit(std::int64_t bytes) {
    {
      const std::lock_guard lock(mutex_);
      if (bytes < 0 || bytes > onLine_) return false;
      onLine_ -= bytes;
      queued_ -= bytes;
      pump();
      if (!paused_ || queued_ > kWriteWindow / 2) return true;
      paused_ = false;
    }
    csdk_http_event event{};
    event.struct_size = sizeof event;
    event.kind = CSDK_HTTP_WRITABLE;
    receiver_->deliver(number_, event);
    return true;
  }

  [[nodiscard]] EventReceiver& receiver() const noexcept { return *receiver_; }

 private:
  struct Part {
    std::uint32_t flags;
    std::string bytes;
  };

  void pump() {
    while (!waiting_.empty() && onLine_ < kWriteWindow) {
      const Part& part = waiting_.front();
      onLine_ += static_cast<std::int64_t>(part.bytes.size());
      send(HttpFrame::write, rawBytes(part.flags), part.bytes);
      waiting_.pop_front();
    }
  }

  Channel& channel_;
  const std::shared_ptr<EventReceiver> receiver_;
  const std::uint64_t number_;
  std::mutex mutex_;
  std::deque<Part> waiting_;
  std::int64_t queued_ = 0;  ///< written and not credited, here and on the line
  std::int64_t onLine_ = 0;
  bool paused_ = false;
};

namespace {

/// What the call holds of a request.
template <class Request, class Forget>
class Held final : public CarriedRequest {
 public:
  Held(std::shared_ptr<Request> request, Forget forget) : request_(std::move(request)), forget_(std::move(forget)) {}

  csdk_status write(std::uint32_t flags, csdk_bytes data) override { return request_->write(flags, view(data)); }
  void ack(std::size_t size) override {
    const std::uint64_t count = size;
    request_->send(HttpFrame::ack, rawBytes(count));
  }
  void close(std::int32_t code, csdk_str reason) override {
    request_->send(HttpFrame::close, rawBytes(code), view(reason).substr(0, 123));
    forget_();
  }

 private:
  const std::shared_ptr<Request> request_;
  const Forget forget_;
};

}  // namespace

std::unique_ptr<CarriedRequest> HttpLine::start(const std::shared_ptr<EventReceiver>& receiver, std::uint64_t number,
                                                const csdk_http_request& request) {
  auto made = std::make_shared<Request>(channel_, receiver, number);
  const auto forget = [this, number] { this->forget(number); };
  auto held = std::make_unique<Held<Request, decltype(forget)>>(made, forget);
  csdk_http_retry retry = readStruct(request.retry);
  csdk_http_request ours = request;
  ours.retry = request.retry == nullptr ? nullptr : &retry;
  std::string head;
  encodeStruct(kHttpRequest, &ours, head);
  const std::string_view body = view(request.body);
  if (head.size() > kMaxBody - 64 || body.size() > kLongestBody) {
    csdk_http_event event{};
    event.struct_size = sizeof event;
    event.kind = CSDK_HTTP_FAILED;
    event.status = CSDK_INVALID_ARGUMENT;
    event.message = toStr("the request is too long; stream its body");
    receiver->deliver(number, event);
    return held;
  }
  {
    const std::lock_guard lock(mutex_);
    requests_.emplace(number, made);
  }
  made->send(HttpFrame::start, head);
  for (std::size_t at = 0; at < body.size(); at += kDataChunk) made->send(HttpFrame::body, body.substr(at, kDataChunk));
  made->send(HttpFrame::go, {});
  return held;
}

std::shared_ptr<HttpLine::Request> HttpLine::find(std::uint64_t number) {
  const std::lock_guard lock(mutex_);
  const auto found = requests_.find(number);
  return found == requests_.end() ? nullptr : found->second;
}

void HttpLine::forget(std::uint64_t number) {
  const std::lock_guard lock(mutex_);
  requests_.erase(number);
}

bool HttpLine::handle(const Frame& frame) {
  std::span<const std::byte> body = frame.body;
  const auto number = takeNumber<std::uint64_t>(body);
  if (!number) return false;
  // What comes for a request that was just closed crossed its end on the way.
  const std::shared_ptr<Request> request = find(*number);
  if (!request) return true;
  if (frame.flags == static_cast<std::uint16_t>(HttpFrame::credit)) {
    const auto bytes = takeNumber<std::int64_t>(body);
    return bytes && request->credit(*bytes);
  }
  if (frame.flags != static_cast<std::uint16_t>(HttpFrame::event)) return false;
  std::pmr::monotonic_buffer_resource memory;
  const auto decoded = decodeStruct(kHttpEvent, body, memory);
  if (!decoded) return false;
  const auto& event = *static_cast<const csdk_http_event*>(decoded->value);
  if (event.kind == CSDK_HTTP_END || event.kind == CSDK_HTTP_FAILED) forget(*number);
  request->receiver().deliver(*number, event);
  return true;
}

}  // namespace computesdk::plugin_host
