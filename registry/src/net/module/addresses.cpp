#include "addresses.hpp"

#include <algorithm>
#include <array>
#include <cstdint>

namespace computesdk::net {
namespace {

namespace ip = boost::asio::ip;

struct Range4 {
  std::uint32_t base;
  int bits;
};

constexpr std::uint32_t quad(std::uint32_t a, std::uint32_t b, std::uint32_t c, std::uint32_t d) {
  return a << 24 | b << 16 | c << 8 | d;
}

constexpr std::array kPrivate4 = {
    Range4{quad(0, 0, 0, 0), 8},        // this network
    Range4{quad(10, 0, 0, 0), 8},       // private
    Range4{quad(100, 64, 0, 0), 10},    // carrier-grade NAT
    Range4{quad(127, 0, 0, 0), 8},      // loopback
    Range4{quad(169, 254, 0, 0), 16},   // link-local, the metadata service of clouds
    Range4{quad(172, 16, 0, 0), 12},    // private
    Range4{quad(192, 0, 0, 0), 24},     // protocol assignments
    Range4{quad(192, 0, 2, 0), 24},     // documentation
    Range4{quad(192, 168, 0, 0), 16},   // private
    Range4{quad(198, 18, 0, 0), 15},    // benchmarks
    Range4{quad(198, 51, 100, 0), 24},  // documentation
    Range4{quad(203, 0, 113, 0), 24},   // documentation
    Range4{quad(224, 0, 0, 0), 3},      // multicast, reserved, broadcast
};

bool isPrivate4(std::uint32_t address) {
  return std::any_of(kPrivate4.begin(), kPrivate4.end(),
                     [&](const Range4& range) { return (address ^ range.base) >> (32 - range.bits) == 0; });
}

std::uint32_t tail4(const ip::address_v6::bytes_type& bytes, std::size_t at) {
  return quad(bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]);
}

bool isPrivate6(const ip::address_v6& address) {
  const auto bytes = address.to_bytes();
  if (address.is_v4_mapped()) return isPrivate4(tail4(bytes, 12));
  if (bytes[0] == 0x00 && bytes[1] == 0x64 && bytes[2] == 0xff && bytes[3] == 0x9b) {  // NAT64
    return isPrivate4(tail4(bytes, 12));
  }
  if (bytes[0] == 0x20 && bytes[1] == 0x02) return isPrivate4(tail4(bytes, 2));  // 6to4
  // Of the rest only 2000::/3 is public, without the documentation range 2001:db8::/32 and Teredo 2001::/32.
  if ((bytes[0] & 0xe0) != 0x20) return true;
  if (bytes[0] == 0x20 && bytes[1] == 0x01 && bytes[2] == 0x0d && bytes[3] == 0xb8) return true;
  return bytes[0] == 0x20 && bytes[1] == 0x01 && bytes[2] == 0x00 && bytes[3] == 0x00;
}

}  // namespace

bool isPrivate(const ip::address& address) {
  return address.is_v4() ? isPrivate4(address.to_v4().to_uint()) : isPrivate6(address.to_v6());
}

}  // namespace computesdk::net
