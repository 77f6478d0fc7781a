#include "crowd.hpp"

#include <sys/epoll.h>

#include <array>

namespace computesdk::bench {
namespace {

constexpr std::size_t kOpening = 64;  // at the same time
constexpr int kLook = 100;            // milliseconds after which the end is seen at the latest
constexpr int kText = 1, kClose = 8, kPing = 9, kPong = 10;

std::string frameText(int opcode, std::string_view payload) {
  constexpr std::array<char, 4> kMask = {'m', 'a', 's', 'k'};
  std::string out(1, static_cast<char>(0x80 | opcode));
  if (payload.size() < 126) {
    out += static_cast<char>(0x80 | static_cast<int>(payload.size()));
  } else {
    if (payload.size() > 0xffff) throw Problem("a message of this client is too long");
    out += static_cast<char>(0x80 | 126);
    out += static_cast<char>(payload.size() >> 8);
    out += static_cast<char>(payload.size() & 0xff);
  }
  out.append(kMask.data(), kMask.size());
  for (std::size_t i = 0; i < payload.size(); ++i) out += static_cast<char>(payload[i] ^ kMask.at(i % kMask.size()));
  return out;
}

}  // namespace

std::string textFrame(std::string_view text) { return frameText(kText, text); }

bool FrameReader::take(Frame& frame) {
  const auto byte = [this](std::size_t at) { return static_cast<std::size_t>(static_cast<unsigned char>(bytes_[at])); };
  if (bytes_.size() < 2) return false;
  std::size_t size = byte(1) & 0x7fU;
  const std::size_t more = size == 127 ? 8 : size == 126 ? 2 : 0;
  if (bytes_.size() < 2 + more) return false;
  if (more > 0) size = 0;
  for (std::size_t i = 0; i < more; ++i) size = size << 8U | byte(2 + i);
  if (bytes_.size() < 2 + more + size) return false;
  if ((byte(0) & 0x80U) == 0) throw Problem("a server's message comes in parts");
  frame.opcode = static_cast<int>(byte(0) & 0x0fU);
  frame.payload.assign(bytes_, 2 + more, size);
  bytes_.erase(0, 2 + more + size);
  if (bytes_.empty()) bytes_.shrink_to_fit();
  return true;
}

Crowd::Crowd(std::uint16_t port, std::vector<std::string> paths, Message message)
    : port_(port),
      paths_(std::move(paths)),
      message_(std::move(message)),
      poll_(::epoll_create1(EPOLL_CLOEXEC)),
      members_(paths_.size()) {
  if (!poll_) throw Problem("no epoll");
  thread_ = std::jthread([this] {
    try {
      serve();
    } catch (const std::exception& error) {
      fail(error.what());
    }
  });
}

Crowd::~Crowd() { ending_ = true; }

void Crowd::waitOpen(std::chrono::seconds limit) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, limit, [this] { return open_ == members_.size() || !failure_.empty(); });
  if (!failure_.empty()) throw Problem(failure_);
  if (open_ != members_.size()) throw Problem("only " + std::to_string(open_) + " WebSockets opened in time");
}

void Crowd::check() {
  const std::lock_guard lock(mutex_);
  if (!failure_.empty()) throw Problem(failure_);
}

void Crowd::send(std::size_t socket, std::string_view text) { write(socket, textFrame(text)); }

void Crowd::write(std::size_t which, std::string_view bytes) {
  const std::lock_guard lock(writing_);
  sendAll(members_[which].socket.get(), bytes);
}

void Crowd::fail(const std::string& why) {
  const std::lock_guard lock(mutex_);
  if (failure_.empty()) failure_ = "of the WebSockets: " + why;
  changed_.notify_all();
}

void Crowd::begin(std::size_t which) {
  Member& member = members_[which];
  {
    const std::lock_guard lock(writing_);
    member.socket = connectTo(port_);
  }
  epoll_event interest{.events = EPOLLIN, .data = {.u64 = which}};
  if (::epoll_ctl(poll_.get(), EPOLL_CTL_ADD, member.socket.get(), &interest) != 0) throw Problem("no epoll");
  write(which, requestText("GET", paths_[which], {},
                           {{"Connection", "Upgrade"},
                            {"Upgrade", "websocket"},
                            {"Sec-WebSocket-Version", "13"},
                            {"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="}}));
}

void Crowd::serve() {
  std::string piece(64u << 10, '\0');
  while (begun_ < std::min(kOpening, members_.size())) begin(begun_++);
  while (!ending_) {
    std::array<epoll_event, 256> events{};
    const int count = ::epoll_wait(poll_.get(), events.data(), static_cast<int>(events.size()), kLook);
    for (int i = 0; i < count; ++i) {
      const std::size_t which = events.at(static_cast<std::size_t>(i)).data.u64;
      const long got = receiveSome(members_[which].socket.get(), piece, false);
      if (got == 0) throw Problem("number " + std::to_string(which) + " was closed");
      if (got > 0) arrived(which, std::string_view(piece).substr(0, static_cast<std::size_t>(got)));
    }
  }
}

void Crowd::arrived(std::size_t which, std::string_view bytes) {
  Member& member = members_[which];
  if (member.open) {
    member.frames.put(bytes);
  } else {
    if (!member.head.put(bytes)) return;
    if (member.head.status() != 101)
      throw Problem("an upgrade is answered with " + std::to_string(member.head.status()) + " " + member.head.body());
    member.frames.put(member.head.rest());
    member.head = {};
    member.open = true;
    if (begun_ < members_.size()) begin(begun_++);
    const std::lock_guard lock(mutex_);
    ++open_;
    changed_.notify_all();
  }
  FrameReader::Frame next;
  while (member.frames.take(next)) frame(which, next);
}

void Crowd::frame(std::size_t which, const FrameReader::Frame& frame) {
  switch (frame.opcode) {
    case kText:
      if (message_) message_(which, frame.payload);
      break;
    case kPing: write(which, frameText(kPong, frame.payload)); break;
    case kClose: throw Problem("number " + std::to_string(which) + " was told to close");
    default: break;
  }
}

}  // namespace computesdk::bench
