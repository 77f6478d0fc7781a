#include "net/remote_http.hpp"

#include "net/http_frames.hpp"

#include <utility>

namespace computesdk::registry::net {

using host::decodeStruct;
using host::encodeFrame;
using host::FrameType;
using host::textOf;

RemoteHttp::RemoteHttp(std::uint64_t call, std::int64_t deadlineNs, std::shared_ptr<HttpCarrier> carrier,
                       std::function<void(std::string)> send)
    : call_(call), deadlineNs_(deadlineNs), carrier_(std::move(carrier)), send_(std::move(send)) {}

bool RemoteHttp::handle(const host::Frame& frame) {
  std::span<const std::byte> body = frame.body;
  const auto number = takeNumber<std::uint64_t>(body);
  if (!number) return false;
  const auto kind = static_cast<HttpFrame>(frame.flags);
  if (kind == HttpFrame::go) return begin(*number);
  if (kind == HttpFrame::write) return write(*number, body);
  std::unique_ptr<CarriedRequest> closed;
  std::lock_guard lock(mutex_);
  if (over_) return true;
  if (kind == HttpFrame::start) {
    if (requests_.contains(*number) || requests_.size() >= HttpCall::kMaxRequests) return false;
    requests_[*number].head = textOf(body);
    return true;
  }
  // What comes for a request that has just ended crossed its end on the way.
  const auto found = requests_.find(*number);
  if (found == requests_.end()) return kind == HttpFrame::ack || kind == HttpFrame::close;
  Request& request = found->second;
  if (kind == HttpFrame::body) {
    if (request.begun || request.body.size() + body.size() > kLongestBody) return false;
    request.body += textOf(body);
    return true;
  }
  if (kind == HttpFrame::ack) {
    const auto size = takeNumber<std::uint64_t>(body);
    if (size && request.carried) request.carried->ack(*size);
    return size.has_value();
  }
  if (kind != HttpFrame::close) return false;
  const auto code = takeNumber<std::int32_t>(body);
  if (!code) return false;
  closed = std::move(request.carried);
  requests_.erase(found);
  if (closed) closed->close(*code, host::toStr(textOf(body)));
  return true;
}

bool RemoteHttp::begin(std::uint64_t number) {
  std::string head, body;
  {
    std::lock_guard lock(mutex_);
    const auto found = requests_.find(number);
    if (over_) return true;
    if (found == requests_.end() || std::exchange(found->second.begun, true)) return false;
    head = std::move(found->second.head);
    body = std::move(found->second.body);
  }
  std::pmr::monotonic_buffer_resource memory;
  const auto decoded = decodeStruct(kHttpRequest, std::as_bytes(std::span(head)), memory);
  if (!decoded) return false;
  auto& request = *static_cast<csdk_http_request*>(decoded->value);
  request.struct_size = sizeof request;
  request.body = host::toBytes(std::string_view(body));
  request.on_event = nullptr;
  // Events may come before this returns, so the lock is free meanwhile.
  std::unique_ptr<CarriedRequest> carried = carrier_->start(shared_from_this(), number, request);
  std::lock_guard lock(mutex_);
  const auto found = requests_.find(number);
  if (found != requests_.end()) {
    found->second.carried = std::move(carried);
  } else {
    carried->close(0, {});
  }
  return true;
}

bool RemoteHttp::write(std::uint64_t number, std::span<const std::byte> body) {
  const auto flags = takeNumber<std::uint32_t>(body);
  if (!flags) return false;
  std::lock_guard lock(mutex_);
  const auto found = requests_.find(number);
  if (over_ || found == requests_.end()) return true;
  Request& request = found->second;
  if (!request.carried) return request.begun;  // it has ended
  const auto size = static_cast<std::int64_t>(body.size());
  request.uncredited += size;
  if (request.uncredited > kWriteWindow + static_cast<std::int64_t>(host::kMaxFrame)) return false;
  const csdk_status status = request.carried->write(*flags, host::toBytes(textOf(body)));
  request.paused = request.paused || status == CSDK_PAUSE;
  if (!request.paused) sendCredit(number, std::exchange(request.uncredited, 0));
  return true;
}

void RemoteHttp::sendCredit(std::uint64_t number, std::int64_t bytes) {
  send_(encodeFrame(FrameType::http, static_cast<std::uint16_t>(HttpFrame::credit), call_,
                    httpBody(number, rawBytes(bytes))));
}

void RemoteHttp::deliver(std::uint64_t number, const csdk_http_event& event) {
  std::unique_ptr<CarriedRequest> finished;
  std::lock_guard lock(mutex_);
  const auto found = requests_.find(number);
  if (over_ || found == requests_.end()) return;
  if (event.kind == CSDK_HTTP_WRITABLE) {
    // The other end says so itself, once the credit has come.
    found->second.paused = false;
    sendCredit(number, std::exchange(found->second.uncredited, 0));
    return;
  }
  std::string body(rawBytes(number));
  encodeStruct(kHttpEvent, &event, body);
  send_(encodeFrame(FrameType::http, static_cast<std::uint16_t>(HttpFrame::event), call_, body));
  if (event.kind != CSDK_HTTP_END && event.kind != CSDK_HTTP_FAILED) return;
  finished = std::move(found->second.carried);
  requests_.erase(found);
}

void RemoteHttp::end() {
  if (over_) return;
  std::map<std::uint64_t, Request> requests;
  {
    std::lock_guard lock(mutex_);
    over_ = true;
    requests.swap(requests_);
  }
  for (auto& [number, request] : requests) {
    if (request.carried) request.carried->close(0, {});
  }
}

}  // namespace computesdk::registry::net
