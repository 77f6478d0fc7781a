#include "remote_link.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace computesdk::registry::host {
namespace {
constexpr std::size_t kKeptErrors = 2048;
}

bool RemoteLink::send(std::string frame) {
  out_.push_back(std::move(frame));
  return out_.size() > 1 || flush();
}

bool RemoteLink::flush() {
  while (!out_.empty()) {
    const std::string& frame = out_.front();
    const ssize_t sent =
        ::send(child_.socket(), frame.data() + sent_, frame.size() - sent_, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0) {
      if (errno == EINTR) continue;
      return errno == EAGAIN || errno == EWOULDBLOCK;
    }
    sent_ += static_cast<std::size_t>(sent);
    if (sent_ == frame.size()) {
      out_.pop_front();
      sent_ = 0;
    }
  }
  return true;
}

RemoteLink::Read RemoteLink::read() {
  const auto space = reader_.space();
  for (;;) {
    const ssize_t got = ::recv(child_.socket(), space.data(), space.size(), MSG_DONTWAIT);
    if (got > 0) {
      reader_.filled(static_cast<std::size_t>(got));
      return Read::some;
    }
    if (got == 0) return Read::ended;
    if (errno == EINTR) continue;
    return errno == EAGAIN || errno == EWOULDBLOCK ? Read::nothing : Read::ended;
  }
}

void RemoteLink::readErrors() {
  char buffer[4096];
  for (;;) {
    if (child_.errorPipe() < 0) return;
    const ssize_t got = ::read(child_.errorPipe(), buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got == 0) child_.closeErrorPipe();
    if (got <= 0) return;
    errors_.append(buffer, static_cast<std::size_t>(got));
    if (errors_.size() > 2 * kKeptErrors) errors_.erase(0, errors_.size() - kKeptErrors);
  }
}

std::string RemoteLink::lastErrors() const {
  std::string text = errors_.size() > kKeptErrors ? errors_.substr(errors_.size() - kKeptErrors) : errors_;
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  return text;
}

std::string RemoteLink::end() {
  readErrors();
  return child_.end();
}

}  // namespace computesdk::registry::host
