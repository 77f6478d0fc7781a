#include "bus_connection.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>

namespace computesdk::local::limits {
namespace {

Error busError(ErrorClass kind, std::string why) {
  return Error{.kind = kind, .message = "the message bus could not be used", .why = std::move(why)};
}

// "unix:path=/run/user/1000/bus,guid=…;…": the first address that is a unix socket.
bool parseAddress(std::string_view address, sockaddr_un& to, socklen_t& size) {
  while (!address.empty()) {
    const std::string_view one = address.substr(0, address.find(';'));
    address.remove_prefix(std::min(address.size(), one.size() + 1));
    if (one.substr(0, 5) != "unix:") continue;
    std::string_view options = one.substr(5);
    while (!options.empty()) {
      const std::string_view option = options.substr(0, options.find(','));
      options.remove_prefix(std::min(options.size(), option.size() + 1));
      const bool path = option.substr(0, 5) == "path=", abstract = option.substr(0, 9) == "abstract=";
      if (!path && !abstract) continue;
      const std::string_view name = option.substr(path ? 5 : 9);
      to = {};
      to.sun_family = AF_UNIX;
      if (name.empty() || name.size() + 1 >= sizeof to.sun_path || name.find('%') != std::string_view::npos) continue;
      std::memcpy(to.sun_path + (abstract ? 1 : 0), name.data(), name.size());
      size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size() + 1);
      return true;
    }
  }
  return false;
}

}  // namespace

Status BusConnection::wait(short events) {
  for (;;) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline_ - Clock::now()).count();
    if (left <= 0) return busError(ErrorClass::kDeadlineExceeded, "it did not answer in time");
    pollfd waiting{fd_.get(), events, 0};
    const int ready = ::poll(&waiting, 1, static_cast<int>(std::min<long long>(left, 60000)));
    if (ready > 0) return okStatus();
    if (ready < 0 && errno != EINTR) return systemError(errno, "cannot wait for the message bus");
  }
}

Status BusConnection::sendAll(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n > 0) {
      bytes.remove_prefix(static_cast<std::size_t>(n));
    } else if (errno == EAGAIN) {
      if (Status waited = wait(POLLOUT); !waited.ok()) return waited;
    } else if (errno != EINTR) {
      return busError(ErrorClass::kUnavailable, std::strerror(errno));
    }
  }
  return okStatus();
}

Status BusConnection::fill() {
  for (;;) {
    char block[4096];
    const ssize_t n = ::recv(fd_.get(), block, sizeof block, MSG_DONTWAIT);
    if (n > 0) {
      input_.append(block, static_cast<std::size_t>(n));
      return okStatus();
    }
    if (n == 0) return busError(ErrorClass::kUnavailable, "it closed the connection");
    if (errno == EAGAIN) {
      if (Status waited = wait(POLLIN); !waited.ok()) return waited;
    } else if (errno != EINTR) {
      return busError(ErrorClass::kUnavailable, std::strerror(errno));
    }
  }
}

Result<std::string> BusConnection::line() {
  constexpr std::size_t kLongest = 4096;
  for (;;) {
    const std::size_t end = input_.find("\r\n");
    if (end != std::string::npos) {
      std::string text = input_.substr(0, end);
      input_.erase(0, end + 2);
      return text;
    }
    if (input_.size() > kLongest) return busError(ErrorClass::kUnavailable, "it does not speak D-Bus");
    if (Status filled = fill(); !filled.ok()) return filled.error();
  }
}

Status BusConnection::authenticate() {
  std::string request("\0AUTH EXTERNAL ", 15);
  for (const char digit : std::to_string(::getuid())) {
    constexpr char kHex[] = "0123456789abcdef";
    request += kHex[static_cast<unsigned char>(digit) >> 4];
    request += kHex[static_cast<unsigned char>(digit) & 15];
  }
  request += "\r\n";
  if (Status sent = sendAll(request); !sent.ok()) return sent;
  const auto answer = line();
  if (!answer.ok()) return answer.error();
  if (answer->substr(0, 3) != "OK ") return busError(ErrorClass::kPermissionDenied, "it does not accept this user");
  return sendAll("BEGIN\r\n");
}

Result<BusMessage> BusConnection::receive() {
  for (;;) {
    const auto size = busMessageSize(input_);
    if (!size) return busError(ErrorClass::kUnavailable, "it sent what is no message");
    if (*size != 0 && input_.size() >= *size) {
      auto message = decode(std::string_view(input_).substr(0, *size));
      input_.erase(0, *size);
      if (!message) return busError(ErrorClass::kUnavailable, "it sent a malformed message");
      return std::move(*message);
    }
    if (Status filled = fill(); !filled.ok()) return filled.error();
  }
}

Result<BusMessage> BusConnection::call(BusMessage message) {
  message.type = BusType::kCall;
  message.serial = ++serial_;
  if (Status sent = sendAll(encode(message)); !sent.ok()) return sent.error();
  constexpr std::size_t kMostSignals = 4096;
  for (;;) {
    auto answer = receive();
    if (!answer.ok()) return answer;
    if (answer->type == BusType::kSignal && signals_.size() < kMostSignals) signals_.push_back(std::move(*answer));
    if (answer->replySerial != message.serial) continue;
    if (answer->type == BusType::kReturn) return answer;
    if (answer->type != BusType::kError) continue;
    std::string why = message.member + ": " + answer->errorName;
    if (answer->signature.substr(0, 1) == "s") {
      BusReader reader(answer->body);
      why += ": " + std::string(reader.string());
    }
    const bool denied = answer->errorName.find("AccessDenied") != std::string::npos ||
                        answer->errorName.find("InteractiveAuthorizationRequired") != std::string::npos;
    return busError(denied ? ErrorClass::kPermissionDenied : ErrorClass::kUnavailable, std::move(why));
  }
}

Result<BusMessage> BusConnection::nextSignal() {
  if (!signals_.empty()) {
    BusMessage first = std::move(signals_.front());
    signals_.pop_front();
    return first;
  }
  for (;;) {
    auto message = receive();
    if (!message.ok() || message->type == BusType::kSignal) return message;
  }
}

Result<BusConnection> BusConnection::open(std::string_view address, Clock::time_point deadline) {
  sockaddr_un to;
  socklen_t size = 0;
  if (!parseAddress(address, to, size)) {
    return busError(ErrorClass::kUnavailable,
                    address.empty() ? "there is none in this session" : "its address is no unix socket's");
  }
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return systemError(errno, "cannot make a socket");
  // A unix socket connects at once or, with a full queue, not at all (EAGAIN).
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&to), size) != 0) {
    return busError(ErrorClass::kUnavailable, std::strerror(errno));
  }
  BusConnection connection(std::move(fd), deadline);
  if (Status authenticated = connection.authenticate(); !authenticated.ok()) return authenticated.error();
  BusMessage hello;
  hello.destination = "org.freedesktop.DBus";
  hello.path = "/org/freedesktop/DBus";
  hello.interface = "org.freedesktop.DBus";
  hello.member = "Hello";
  const auto greeted = connection.call(std::move(hello));
  if (!greeted.ok()) return greeted.error();
  return connection;
}

}  // namespace computesdk::local::limits
