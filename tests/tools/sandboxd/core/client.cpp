#include "core/client.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <bit>
#include <cerrno>
#include <cstdlib>
#include <filesystem>

namespace computesdk::sandboxd::testing {
namespace {

std::string bigEndian(std::uint64_t value, int width) {
  std::string out;
  for (int i = width - 1; i >= 0; --i) out += static_cast<char>(value >> static_cast<unsigned>(8 * i) & 0xFFU);
  return out;
}

std::string sized(std::string_view text, int width) { return bigEndian(text.size(), width) + std::string(text); }

std::string textOf(const rapidjson::Value& object, const char* name) {
  if (!object.IsObject()) return "(no object)";
  const auto at = object.FindMember(name);
  if (at == object.MemberEnd() || !at->value.IsString()) return "(no text)";
  return {at->value.GetString(), at->value.GetStringLength()};
}

}  // namespace

bool eventually(const std::function<bool()>& condition) {
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    ::poll(nullptr, 0, 5);
  }
  return true;
}

UniqueFd dial(std::uint16_t port) {
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

namespace {

ssize_t receive(const UniqueFd& fd, char* to, std::size_t size) {
  for (;;) {
    const auto got = ::recv(fd.get(), to, size, 0);
    if (got >= 0 || errno != EINTR) return got;
  }
}

}  // namespace

void sendBytes(const UniqueFd& fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const auto put = ::send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return;
    bytes.remove_prefix(static_cast<std::size_t>(put));
  }
}

std::string Answer::text(const char* name) const {
  return json.IsObject() && json.HasMember("data") ? textOf(json["data"], name) : "(no data)";
}

std::string Message::text(const char* name) const {
  return json.HasMember("data") ? textOf(json["data"], name) : "(no data)";
}

Answer ask(std::uint16_t port, const std::string& method, const std::string& target, const std::string& body,
           const std::string& token) {
  const auto fd = dial(port);
  std::string request = method + " " + target + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n";
  if (!token.empty()) request += "Authorization: Bearer " + token + "\r\n";
  if (!body.empty()) request += "Content-Length: " + std::to_string(body.size()) + "\r\n";
  sendBytes(fd, request + "\r\n" + body);
  std::string all;
  char chunk[65536];
  for (ssize_t got = 0; (got = receive(fd, chunk, sizeof chunk)) > 0;) {
    all.append(chunk, static_cast<std::size_t>(got));
  }
  Answer answer;
  const auto end = all.find("\r\n\r\n");
  if (end == std::string::npos) return answer;
  answer.head = all.substr(0, end + 2);
  answer.body = all.substr(end + 4);
  answer.status = static_cast<int>(std::strtol(answer.head.c_str() + 9, nullptr, 10));
  answer.json.Parse(answer.body.data(), answer.body.size());
  return answer;
}

Socket::Socket(std::uint16_t port, const std::string& query) : fd_(dial(port)) {
  sendBytes(fd_, "GET /ws" + query +
                     " HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                     "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n");
  std::string head;
  while (head.find("\r\n\r\n") == std::string::npos) {
    const auto byte = take(1);
    if (byte.empty()) break;
    head += byte;
  }
  status_ = head.size() < 12 ? 0 : static_cast<int>(std::strtol(head.c_str() + 9, nullptr, 10));
}

void Socket::sendFrame(int opcode, std::string_view payload) const {
  std::string frame(1, static_cast<char>(0x80 | opcode));
  if (payload.size() < 126) {
    frame += static_cast<char>(0x80U | payload.size());
  } else if (payload.size() < 65536) {
    frame += static_cast<char>(0xFE);
    frame += bigEndian(payload.size(), 2);
  } else {
    frame += static_cast<char>(0xFF);
    frame += bigEndian(payload.size(), 8);
  }
  frame += std::string(4, '\0');  // masked with zeros
  sendBytes(fd_, frame.append(payload));
}

void Socket::subscribe(const std::string& channel) const {
  sendText(R"({"type":"subscribe","channel":")" + channel + R"("})");
}

void Socket::unsubscribe(const std::string& channel) const {
  sendText(R"({"type":"unsubscribe","channel":")" + channel + R"("})");
}

std::optional<Message> Socket::next() {
  for (;;) {
    const auto head = take(2);
    if (head.size() < 2) return std::nullopt;
    std::uint64_t size = static_cast<unsigned char>(head[1]) & 0x7FU;
    const int more = size == 126 ? 2 : size == 127 ? 8 : 0;
    if (more > 0) {
      size = 0;
      for (const char c : take(static_cast<std::size_t>(more))) size = size << 8U | static_cast<unsigned char>(c);
    }
    const auto payload = take(static_cast<std::size_t>(size));
    if (payload.size() < size) return std::nullopt;
    const int opcode = head[0] & 0x0F;
    if (opcode == 8) {
      if (payload.size() >= 2) {
        closeCode_ = static_cast<unsigned char>(payload[0]) << 8 | static_cast<unsigned char>(payload[1]);
      }
      return std::nullopt;
    }
    if (opcode != 1) continue;
    Message message;
    message.json.Parse(payload.data(), payload.size());
    if (!message.json.IsObject()) return std::nullopt;
    message.type = textOf(message.json, "type");
    if (message.json.HasMember("channel")) message.channel = textOf(message.json, "channel");
    return message;
  }
}

std::optional<Message> Socket::next(std::string_view type) {
  for (;;) {
    auto message = next();
    if (!message || message->type == type) return message;
  }
}

std::string Socket::collect(std::string_view type, std::string_view end) {
  std::string all;
  while (all.find(end) == std::string::npos) {
    const auto message = next(type);
    if (!message) break;
    all += message->text("output");
  }
  return all;
}

std::string Socket::take(std::size_t size) {
  std::string bytes(size, '\0');
  std::size_t have = 0;
  while (have < size) {
    const auto got = receive(fd_, bytes.data() + have, size - have);
    if (got <= 0) break;
    have += static_cast<std::size_t>(got);
  }
  bytes.resize(have);
  return bytes;
}

std::string binaryFrame(int kind, std::string_view channel, std::string_view type, std::string_view data) {
  return std::string(1, static_cast<char>(kind)) + sized(channel, 2) + sized(type, 2) + sized(data, 4);
}

std::string keyValues(const std::vector<std::pair<std::string, std::string>>& fields) {
  std::string out = bigEndian(fields.size(), 2);
  for (const auto& [key, value] : fields) {
    out += sized(key, 2);
    if (!value.empty() && value[0] == '#') {
      const double number = std::strtod(value.c_str() + 1, nullptr);
      out += '\2' + sized(bigEndian(std::bit_cast<std::uint64_t>(number), 8), 4);
    } else {
      out += '\1' + sized(value, 4);
    }
  }
  return out;
}

Folder::Folder() {
  auto path = (std::filesystem::temp_directory_path() / "sandboxd-XXXXXX").string();
  path_ = std::filesystem::canonical(::mkdtemp(path.data()));
}

Folder::~Folder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace computesdk::sandboxd::testing
