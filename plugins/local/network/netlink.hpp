// Requests to the kernel's routing socket. Freestanding.
#pragma once

#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include <cstddef>
#include <cstdint>

namespace computesdk::local::network {

// One message, built front to back. Too much is cut off and leaves ok() false.
class NetlinkRequest {
 public:
  NetlinkRequest(std::uint16_t type, std::uint16_t flags) {
    nlmsghdr header{};
    header.nlmsg_type = type;
    header.nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | NLM_F_ACK | flags);
    bytes(&header, sizeof header);
  }

  bool ok() const { return ok_; }
  const char* data() const { return data_; }
  std::size_t size() const { return size_; }

  template <typename T>
  NetlinkRequest& body(const T& value) {
    bytes(&value, sizeof value);
    return *this;
  }
  NetlinkRequest& attribute(std::uint16_t type, const void* value, std::size_t size) {
    const std::size_t start = begin(type);
    bytes(value, size);
    end(start);
    return *this;
  }
  NetlinkRequest& number(std::uint16_t type, std::uint32_t value) { return attribute(type, &value, sizeof value); }
  NetlinkRequest& text(std::uint16_t type, const char* value) {
    std::size_t size = 0;
    while (value[size] != 0) ++size;
    return attribute(type, value, size + 1);
  }
  // A nested attribute: what is added until end(mark) is inside.
  std::size_t begin(std::uint16_t type) {
    const std::size_t start = size_;
    const nlattr header{0, type};
    bytes(&header, sizeof header);
    return start;
  }
  void end(std::size_t start) {
    if (!ok_) return;
    const auto length = static_cast<std::uint16_t>(size_ - start);
    copy(data_ + start, &length, sizeof length);
    while (size_ % NLMSG_ALIGNTO != 0) put(0);
  }
  // Writes length and sequence number; call it last.
  void finish(std::uint32_t sequence) {
    const auto length = static_cast<std::uint32_t>(size_);
    copy(data_ + offsetof(nlmsghdr, nlmsg_len), &length, sizeof length);
    copy(data_ + offsetof(nlmsghdr, nlmsg_seq), &sequence, sizeof sequence);
  }

 private:
  static void copy(char* to, const void* from, std::size_t count) {
    const auto* source = static_cast<const char*>(from);
    for (std::size_t i = 0; i < count; ++i) to[i] = source[i];
  }
  void put(char value) {
    if (size_ < sizeof data_) {
      data_[size_++] = value;
    } else {
      ok_ = false;
    }
  }
  void bytes(const void* from, std::size_t count) {
    const auto* source = static_cast<const char*>(from);
    for (std::size_t i = 0; i < count; ++i) put(source[i]);
  }

  alignas(8) char data_[1024] = {};
  std::size_t size_ = 0;
  bool ok_ = true;
};

// The answer to the request of that sequence number in a datagram: its errno (0: done, negative: refused). False:
// the datagram does not hold it.
inline bool findAcknowledgement(const char* data, std::size_t size, std::uint32_t sequence, int& error) {
  while (size >= sizeof(nlmsghdr)) {
    nlmsghdr header;
    __builtin_memcpy(&header, data, sizeof header);
    if (header.nlmsg_len < sizeof header || header.nlmsg_len > size) return false;
    if (header.nlmsg_type == NLMSG_ERROR && header.nlmsg_seq == sequence &&
        header.nlmsg_len >= sizeof header + sizeof(int)) {
      __builtin_memcpy(&error, data + sizeof header, sizeof error);
      return true;
    }
    const std::size_t step = (header.nlmsg_len + NLMSG_ALIGNTO - 1) & ~std::size_t{NLMSG_ALIGNTO - 1};
    if (step >= size) return false;
    data += step;
    size -= step;
  }
  return false;
}

// IPv4 in network order.
constexpr std::uint32_t ip(std::uint32_t a, std::uint32_t b, std::uint32_t c, std::uint32_t d) {
  return a | b << 8 | c << 16 | d << 24;
}

struct Range {
  std::uint32_t address;  // network order
  std::uint8_t prefix;
};

// What a sandbox may not reach. 0/8 because Linux takes 0.0.0.0 for itself; 192.0.0/24 because the router lives there.
inline constexpr Range kClosed[] = {
    {ip(0, 0, 0, 0), 8},      {ip(10, 0, 0, 0), 8},    {ip(100, 64, 0, 0), 10}, {ip(127, 0, 0, 0), 8},
    {ip(169, 254, 0, 0), 16}, {ip(172, 16, 0, 0), 12}, {ip(192, 0, 0, 0), 24},  {ip(192, 168, 0, 0), 16},
    {ip(198, 18, 0, 0), 15},  {ip(224, 0, 0, 0), 4},   {ip(240, 0, 0, 0), 4},
};

// The addresses of the little network, in a range that IANA keeps for protocols and nobody routes.
constexpr std::uint32_t kSandboxAddress = ip(192, 0, 0, 15);
constexpr std::uint32_t kRouterAddress = ip(192, 0, 0, 1);
constexpr std::uint32_t kTapAddress = ip(192, 0, 0, 100);
constexpr std::uint32_t kGatewayAddress = ip(192, 0, 0, 2);
constexpr std::uint32_t kNameServerAddress = ip(192, 0, 0, 3);
constexpr std::uint32_t kMtu = 65520;

}  // namespace computesdk::local::network
