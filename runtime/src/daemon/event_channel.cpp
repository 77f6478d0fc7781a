#include "daemon/event_channel.hpp"

#include <algorithm>

namespace computesdk::detail {

EventChannel::~EventChannel() {
  for (const std::uint64_t id : ids_) sandbox_->daemon().socket().unsubscribe(id);
}

Result<std::uint64_t> EventChannel::listen(MessageSocket::Handler handler) {
  auto id = sandbox_->daemon().socket().subscribe(channel_, std::move(handler), {});
  if (!id) return id;
  std::lock_guard lock(mutex_);
  ids_.push_back(*id);
  return id;
}

void EventChannel::leave(std::uint64_t id) noexcept {
  {
    std::lock_guard lock(mutex_);
    if (std::erase(ids_, id) == 0) return;
  }
  sandbox_->daemon().socket().unsubscribe(id);
}

std::string urlEncode(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                       c == '.' || c == '_' || c == '~';
    const auto byte = static_cast<unsigned char>(c);
    if (plain) {
      out.push_back(c);
    } else {
      out.push_back('%');
      out.push_back("0123456789ABCDEF"[byte >> 4]);
      out.push_back("0123456789ABCDEF"[byte & 15]);
    }
  }
  return out;
}

std::string below(std::string_view prefix, std::string_view segment) {
  return std::string(prefix) + urlEncode(segment);
}

Result<void> tell(SandboxState& sandbox, const DaemonCall& call) {
  auto answer = sandbox.daemon().ask(call);
  if (!answer) return std::move(answer).error();
  return {};
}

}  // namespace computesdk::detail
