#include "stand_in_bus.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>

namespace computesdk::local::limits {
namespace {

constexpr const char* kJob = "/org/freedesktop/systemd1/job/77";

void sendAll(int client, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::send(client, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n <= 0) return;
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
}

BusMessage reply(const BusMessage& call, const char* signature = "", std::string body = {}) {
  BusMessage message;
  message.type = BusType::kReturn;
  message.serial = 1000 + call.serial;
  message.replySerial = call.serial;
  message.sender = "org.freedesktop.systemd1";
  message.signature = signature;
  message.body = std::move(body);
  return message;
}

std::string text(std::string_view value) {
  BusWriter writer;
  writer.string(value);
  return writer.take();
}

BusMessage jobRemoved(const std::string& job, const char* result) {
  BusMessage signal;
  signal.type = BusType::kSignal;
  signal.serial = 5;
  signal.path = "/org/freedesktop/systemd1";
  signal.interface = "org.freedesktop.systemd1.Manager";
  signal.member = "JobRemoved";
  signal.signature = "uoss";
  BusWriter writer;
  writer.number(77);
  writer.string(job);
  writer.string("x.scope");
  writer.string(result);
  signal.body = writer.take();
  return signal;
}

}  // namespace

StandInBus::StandInBus(Manner manner) : manner_(manner) {
  static std::atomic<int> counter{0};
  name_ = "computesdk-test-bus-" + std::to_string(::getpid()) + "-" + std::to_string(counter++);
  listener_.reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  stop_.reset(::eventfd(0, EFD_CLOEXEC));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path + 1, name_.data(), name_.size());
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name_.size());
  if (::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), size) != 0) std::abort();
  if (::listen(listener_.get(), 4) != 0) std::abort();
  thread_ = std::thread([this] { serve(); });
}

StandInBus::~StandInBus() {
  const std::uint64_t one = 1;
  if (::write(stop_.get(), &one, sizeof one) < 0) std::abort();
  thread_.join();
}

BusMessage StandInBus::startCall() {
  const std::lock_guard lock(mutex_);
  return startCall_;
}

void StandInBus::serve() {
  UniqueFd client;
  std::string input;
  bool binary = false;
  for (;;) {
    pollfd waiting[2] = {{stop_.get(), POLLIN, 0}, {client ? client.get() : listener_.get(), POLLIN, 0}};
    if (::poll(waiting, 2, -1) <= 0 || waiting[0].revents != 0) return;
    if (!client) {
      client.reset(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      continue;
    }
    char block[4096];
    const ssize_t n = ::recv(client.get(), block, sizeof block, 0);
    if (n <= 0) {
      client.reset();
      input.clear();
      binary = false;
      continue;
    }
    input.append(block, static_cast<std::size_t>(n));
    while (!binary) {
      const std::size_t end = input.find("\r\n");
      if (end == std::string::npos) break;
      const std::string line = input.substr(0, end);
      input.erase(0, end + 2);
      if (line == "BEGIN") {
        binary = true;
      } else {
        std::string wanted("\0AUTH EXTERNAL ", 15);
        for (const char c : std::to_string(::getuid())) {
          wanted += '3';
          wanted += c;
        }
        const bool accept = manner_ != Manner::kRejectsUser && line == wanted;
        sendAll(client.get(), accept ? "OK 00\r\n" : "REJECTED EXTERNAL\r\n");
      }
    }
    while (binary) {
      const auto size = busMessageSize(input);
      if (!size || *size == 0 || input.size() < *size) break;
      const auto message = decode(std::string_view(input).substr(0, *size));
      input.erase(0, *size);
      if (message) answer(client.get(), *message);
      if (message && manner_ == Manner::kHangsUp) client.reset();
      if (!client) break;
    }
  }
}

void StandInBus::answer(int client, const BusMessage& call) {
  if (call.member == "Hello") {
    sendAll(client, encode(reply(call, "s", text(":1.1"))));
    return;
  }
  if (call.member == "AddMatch" || call.member == "Subscribe") {
    if (manner_ == Manner::kSendsNonsense) return sendAll(client, "GET / HTTP/1.1\r\n\r\nxxxxxxxxxxxxxxxxxxxxx");
    return sendAll(client, encode(reply(call)));
  }
  if (call.member == "StartTransientUnit") {
    {
      const std::lock_guard lock(mutex_);
      startCall_ = call;
    }
    if (manner_ == Manner::kSilent) return;
    if (manner_ == Manner::kRefuses) {
      BusMessage error = reply(call, "s", text("Interactive authentication required."));
      error.type = BusType::kError;
      error.errorName = "org.freedesktop.DBus.Error.AccessDenied";
      return sendAll(client, encode(error));
    }
    // A job of somebody else first, then ours, and ours before the reply: an order that happens.
    sendAll(client, encode(jobRemoved("/org/freedesktop/systemd1/job/1", "failed")));
    sendAll(client, encode(jobRemoved(kJob, manner_ == Manner::kJobFails ? "failed" : "done")));
    return sendAll(client, encode(reply(call, "o", text(kJob))));
  }
  if (call.member == "GetUnit") {
    return sendAll(client, encode(reply(call, "o", text("/org/freedesktop/systemd1/unit/x_2escope"))));
  }
  BusWriter value;
  value.signature("s");
  value.string(manner_ == Manner::kNamesParent ? "/../.." : "/user.slice/x.scope");
  sendAll(client, encode(reply(call, "v", value.take())));
}

}  // namespace computesdk::local::limits
