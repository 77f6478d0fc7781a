#include "runloop/output.hpp"

#include "common/text.hpp"

#include <algorithm>

namespace computesdk::runloop {
namespace {

constexpr int kFailures = 5;
constexpr std::size_t kTail = 1024;
constexpr std::int64_t kTimedOut = 408;
constexpr std::string_view kReplacement = "\xef\xbf\xbd";

}  // namespace

OutputStream::OutputStream(Devbox& devbox, std::string_view execution, std::string_view channel, Sink sink)
    : devbox_(devbox),
      path_(devbox.path("executions/" + vendor::pathSegment(execution) + "/stream_" + std::string(channel) +
                        "_updates?offset=")),
      sink_(std::move(sink)) {
  start();
}

OutputStream::~OutputStream() { devbox_.session().close(request_); }

void OutputStream::start() {
  vendor::Request request = devbox_.api().get(path_ + std::to_string(lastOffset_));
  std::erase_if(request.headers, [](const auto& header) { return header.first == "Accept"; });
  request.headers.emplace_back("Accept", "text/event-stream");
  request.idleTimeoutMs = 0;
  events_ = {};
  head_ = {};
  expected_ = last_;
  again_ = false;
  vendor::Handlers handlers;
  handlers.head = [this](const vendor::Answer& head) {
    head_ = head;
    connected_ = true;
  };
  handlers.data = [this](std::string_view bytes) {
    if (!head_.ok()) {
      if (head_.body.size() < 65536) head_.body += bytes;
      return;
    }
    events_.feed(bytes);
    while (const auto event = events_.next()) takeEvent(*event);
  };
  handlers.end = [this] {
    if (again_ || failure_) return;
    if (head_.ok()) {
      over_ = true;
    } else if (head_.status == kTimedOut) {
      again_ = true;
    } else {
      over_ = true;
      failure_ = devbox_.api().failure(devbox_.session(), head_, false);
    }
  };
  handlers.fail = [this](const vendor::Failure& failure) { breakOff(failure); };
  request_ = devbox_.session().start(request, std::move(handlers));
}

void OutputStream::takeEvent(const vendor::SseDecoder::Event& event) {
  if (again_ || failure_) return;
  const vendor::JsonDocument data = vendor::JsonDocument::parse(event.data, "Runloop's output stream");
  if (event.name != "error") {
    failures_ = 0;
    return takeText(data.root().textOr("output"), data.root().integerOr("offset", lastOffset_));
  }
  if (data.root().integerOr("code", 0) == kTimedOut) {  // nothing was said for a while
    again_ = true;
    return;
  }
  vendor::Failure failure;
  failure.is(CSDK_UNAVAILABLE).message =
      "Runloop's output stream failed: " + vendor::oneLine(data.root().textOr("message", "no reason was given"), 300);
  breakOff(failure);
}

void OutputStream::takeText(std::string_view text, std::int64_t offset) {
  const std::string whole(text);
  if (!expected_.empty()) {
    const std::size_t common = std::min(expected_.size(), text.size());
    // Somewhere else, or other text: nothing is repeated.
    const bool repeated = (offset == lastOffset_ || expected_.size() < last_.size()) &&
                          text.substr(0, common) == std::string_view(expected_).substr(0, common);
    if (repeated) {
      expected_.erase(0, common);
      text.remove_prefix(common);
      if (text.empty()) return;  // last_ and its offset stay
    }
    expected_.clear();
  }
  lastOffset_ = offset;
  last_ = whole;
  if (text.empty()) return;
  lossy_ = lossy_ || text.find(kReplacement) != std::string_view::npos;
  bytes_ += static_cast<std::int64_t>(text.size());
  tail_ += text.substr(text.size() - std::min(text.size(), kTail));
  if (tail_.size() > kTail) tail_.erase(0, tail_.size() - kTail);
  sink_(text);
}

void OutputStream::breakOff(const vendor::Failure& failure) {
  if (++failures_ < kFailures) {
    again_ = true;
  } else {
    failure_ = devbox_.api().explain(failure);
  }
}

void OutputStream::tend() {
  if (failure_) throw failure_->error();
  if (!again_ || over_) return;
  devbox_.session().close(request_);
  start();
}

bool OutputStream::endsAs(std::string_view text) const {
  const std::size_t common = std::min({text.size(), tail_.size(), kTail});
  if (common == 0) return text.empty();
  return text.substr(text.size() - common) == std::string_view(tail_).substr(tail_.size() - common) &&
         (text.size() <= kTail ? bytes_ >= static_cast<std::int64_t>(text.size()) : true);
}

void OutputStream::goOn() {
  over_ = false;
  again_ = true;
  tend();
}

}  // namespace computesdk::runloop
