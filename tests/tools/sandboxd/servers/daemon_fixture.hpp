// A whole daemon inside the test program, with a client that speaks to it over a socket.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <rapidjson/document.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/daemon.hpp"
#include "core/rooms.hpp"
#include "core/unique_fd.hpp"

namespace computesdk::sandboxd {

inline constexpr std::chrono::seconds kPatience{20};

/// Looks again until `condition` holds; false when it does not in time.
inline bool eventually(const std::function<bool()>& condition) {
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    ::poll(nullptr, 0, 5);
  }
  return true;
}

inline UniqueFd dial(std::uint16_t port) {
  UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) fd.reset();
  timeval patience{kPatience.count(), 0};
  if (fd) ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  return fd;
}

inline void put(const UniqueFd& fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
}

/// As recv; a signal (a child of the daemon has ended) does not count.
inline ssize_t receive(const UniqueFd& fd, char* into, std::size_t most) {
  for (;;) {
    const ssize_t got = ::recv(fd.get(), into, most, 0);
    if (got >= 0 || errno != EINTR) return got;
  }
}

struct Answer {
  int status = 0;
  std::string head, body;
  rapidjson::Document json;

  [[nodiscard]] const rapidjson::Value& data() const { return field(json, "data"); }
  [[nodiscard]] const rapidjson::Value& server() const { return field(data(), "server"); }
  /// An object without fields, and a failure, in place of an object that is not there.
  [[nodiscard]] const rapidjson::Value& field(const rapidjson::Value& object, const char* name) const {
    static const rapidjson::Value kNone(rapidjson::kObjectType);
    const auto at = object.FindMember(name);
    if (at != object.MemberEnd() && at->value.IsObject()) return at->value;
    ADD_FAILURE() << status << " without " << name << ": " << body;
    return kNone;
  }
  [[nodiscard]] std::string header(std::string_view name) const {
    const std::string start = "\r\n" + std::string(name) + ": ";
    const std::size_t at = head.find(start);
    if (at == std::string::npos) return {};
    return head.substr(at + start.size(), head.find("\r\n", at + 2) - at - start.size());
  }
};

/// One message of a WebSocket.
struct Message {
  std::string type, channel;
  rapidjson::Document json;
  [[nodiscard]] const rapidjson::Value& data() const { return json["data"]; }
};

/// A WebSocket client for short text messages.
class Socket {
 public:
  Socket(std::uint16_t port, const std::string& path, const std::string& token) : fd_(dial(port)) {
    put(fd_, "GET " + path + "?token=" + token +
                 "&protocol=json HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                 "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n");
    while (head_.find("\r\n\r\n") == std::string::npos) {
      char byte = 0;
      if (receive(fd_, &byte, 1) != 1) break;
      head_ += byte;
    }
  }

  [[nodiscard]] int status() const {
    return head_.size() < 12 ? 0 : static_cast<int>(std::strtol(head_.c_str() + 9, nullptr, 10));
  }

  void say(const std::string& json) const {
    std::string frame = {static_cast<char>(0x81), static_cast<char>(0x80 | json.size()), 0, 0, 0, 0};
    put(fd_, frame + json);  // masked with zeros
  }
  void subscribe(const std::string& channel) const { say(R"({"type":"subscribe","channel":")" + channel + R"("})"); }
  /// The next text message; nothing when the connection was closed.
  std::optional<Message> next() {
    for (;;) {
      const std::string head = take(2);
      if (head.size() < 2) return std::nullopt;
      std::size_t size = static_cast<unsigned char>(head[1]) & 0x7fU;
      if (size == 126) {
        const std::string more = take(2);
        if (more.size() < 2) return std::nullopt;
        size = static_cast<unsigned char>(more[0]) * 256U + static_cast<unsigned char>(more[1]);
      }
      const std::string payload = take(size);
      const int opcode = head[0] & 0x0f;
      if (opcode == 8 && payload.size() >= 2) {
        closeCode_ = static_cast<unsigned char>(payload[0]) * 256 + static_cast<unsigned char>(payload[1]);
      }
      if (opcode == 8 || payload.size() < size) return std::nullopt;
      if (opcode != 1) continue;
      Message message;
      message.json.Parse(payload.c_str());
      if (!message.json.IsObject()) {
        ADD_FAILURE() << "no message: " << payload;
        return std::nullopt;
      }
      message.type = message.json["type"].GetString();
      if (message.json.HasMember("channel")) message.channel = message.json["channel"].GetString();
      return message;
    }
  }
  /// With which code it was closed; 0: it was not, or without one.
  [[nodiscard]] int closeCode() const { return closeCode_; }
  /// The next message of this type; nothing when the connection was closed.
  std::optional<Message> next(std::string_view type) {
    for (;;) {
      auto message = next();
      if (!message || message->type == type) return message;
    }
  }

 private:
  std::string take(std::size_t size) {
    std::string bytes(size, '\0');
    std::size_t done = 0;
    while (done < size) {
      const ssize_t got = receive(fd_, bytes.data() + done, size - done);
      if (got <= 0) break;
      done += static_cast<std::size_t>(got);
    }
    bytes.resize(done);
    return bytes;
  }

  UniqueFd fd_;
  std::string head_;
  int closeCode_ = 0;
};

class DaemonTest : public testing::Test {
 protected:
  DaemonTest() {
    std::string folder = std::filesystem::temp_directory_path() / "sandboxd-XXXXXX";
    folder_ = ::mkdtemp(folder.data());
    folder_ = std::filesystem::canonical(folder_);
  }
  ~DaemonTest() override {
    daemon_.reset();
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }

  void start(const std::string& setup = {}, const std::string& baseUrl = {}, const std::string& token = "access") {
    Config config;
    config.version = "1.2.3";
    config.accessToken = token;
    config.listen = "127.0.0.1";
    config.port = 0;
    config.baseUrl = baseUrl;
    config.workingDirectory = folder_;
    config.subdomain = "main-box";
    config.setup = setup;
    daemon_ = std::make_unique<Daemon>(config, Environment{{"PATH", "/usr/bin:/bin"}, {"FROM_DAEMON", "yes"}});
    const auto opened = daemon_->open({addAuthRoutes, addCommandRoutes, addTerminalRoutes, addSocketRoutes,
                                       addFileRoutes, addEnvRoutes, addWatcherRoutes, addOverlayRoutes, addServerRoutes,
                                       addSignalRoutes, addChildRoutes, addInfoRoutes});
    ASSERT_TRUE(opened);
    applySetup(daemon_->main());
  }

  [[nodiscard]] std::uint16_t port() const { return daemon_->port(); }

  /// Asks with the given header lines, each ending in \r\n.
  Answer ask(const std::string& method, const std::string& target, const std::string& body,
             const std::string& headers) const {
    const UniqueFd fd = dial(port());
    put(fd, method + " " + target + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" + headers +
                (body.empty() ? "" : "Content-Length: " + std::to_string(body.size()) + "\r\n") + "\r\n" + body);
    std::string all;
    char chunk[16384];
    for (ssize_t got = 0; (got = receive(fd, chunk, sizeof chunk)) > 0;) {
      all.append(chunk, static_cast<std::size_t>(got));
    }
    Answer answer;
    const std::size_t end = all.find("\r\n\r\n");
    if (end == std::string::npos) {
      ADD_FAILURE() << "no answer to " << method << " " << target << ": " << all;
      answer.json.SetObject();
      return answer;
    }
    answer.head = all.substr(0, end + 2);
    answer.body = all.substr(end + 4);
    answer.status = static_cast<int>(std::strtol(answer.head.c_str() + 9, nullptr, 10));
    answer.json.Parse(answer.body.c_str());
    // What reads fields goes on: that it finds none is a failure enough.
    if (!answer.json.IsObject()) answer.json.SetObject();
    return answer;
  }
  /// Asks with the access token.
  Answer ask(const std::string& method, const std::string& target, const std::string& body = {}) const {
    return ask(method, target, body, bearer("access"));
  }
  static std::string bearer(const std::string& token) { return "Authorization: Bearer " + token + "\r\n"; }

  std::string folder_;
  std::unique_ptr<Daemon> daemon_;
};

}  // namespace computesdk::sandboxd
