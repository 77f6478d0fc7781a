#include "messages.hpp"

namespace computesdk::local {
namespace {

struct Vector {
  const void* data;
  std::size_t size;
};
struct Message {
  void* name;
  int nameSize;
  Vector* parts;
  std::size_t partCount;
  void* control;
  std::size_t controlSize;
  int flags;
};
struct ControlHeader {
  std::size_t size;
  int level, type;
};
constexpr int kNoSignal = 0x4000, kDontWait = 0x40, kCmsgCloexec = 0x40000000, kTruncated = 0x20, kControlTruncated = 8;
constexpr int kSocketLevel = 1, kRights = 1;

}  // namespace

sys::Word receive(int socket, char* buffer, std::size_t capacity, ReceivedFds& fds, bool wait) {
  alignas(8) char control[sizeof(ControlHeader) + 64 * sizeof(int)];
  Vector part{buffer, capacity};
  Message message{nullptr, 0, &part, 1, control, sizeof control, 0};
  sys::Word size;
  do {
    size = sys::call(__NR_recvmsg, socket, sys::word(&message), kCmsgCloexec | (wait ? 0 : kDontWait));
  } while (size == -sys::kEintr);
  if (size < 0) return size;
  if (message.controlSize >= sizeof(ControlHeader)) {
    const auto* header = reinterpret_cast<const ControlHeader*>(control);
    if (header->level == kSocketLevel && header->type == kRights) {
      const auto* values = reinterpret_cast<const int*>(control + sizeof(ControlHeader));
      const std::size_t count = (header->size - sizeof(ControlHeader)) / sizeof(int);
      for (std::size_t i = 0; i < count; ++i) fds.add(values[i]);
    }
  }
  if ((message.flags & (kTruncated | kControlTruncated)) != 0) return -sys::kEinval;
  return size;
}

int sendFrame(int socket, protocol::FrameType type, const void* body, std::size_t size, const int* fds, int fdCount) {
  protocol::Header header{protocol::kMagic, static_cast<std::uint16_t>(type), 0, static_cast<std::uint32_t>(size)};
  Vector parts[2] = {{&header, sizeof header}, {body, size}};
  alignas(8) char control[sizeof(ControlHeader) + kMaxFds * sizeof(int)] = {};
  Message message{nullptr, 0, parts, 2, nullptr, 0, 0};
  if (fdCount > 0) {
    auto* head = reinterpret_cast<ControlHeader*>(control);
    *head = {sizeof(ControlHeader) + static_cast<std::size_t>(fdCount) * sizeof(int), kSocketLevel, kRights};
    auto* values = reinterpret_cast<int*>(control + sizeof(ControlHeader));
    for (int i = 0; i < fdCount; ++i) values[i] = fds[i];
    message.control = control;
    message.controlSize = (head->size + 7) & ~std::size_t{7};
  }
  sys::Word result;
  do {
    result = sys::call(__NR_sendmsg, socket, sys::word(&message), kNoSignal | kDontWait);
  } while (result == -sys::kEintr);
  return result < 0 ? static_cast<int>(result) : 0;
}

}  // namespace computesdk::local
