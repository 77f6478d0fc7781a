#include "daemon/frames.hpp"

#include "files/base64.hpp"

#include <sys/random.h>

#include <array>
#include <bit>
#include <span>
#include <utility>

namespace computesdk::detail {
namespace {

using Digest = std::array<std::uint8_t, 20>;

/// SHA-1 of one short text: the handshake's own digest, which protects nothing.
Digest sha1(std::string text) {
  const std::uint64_t bits = text.size() * 8;
  text.push_back('\x80');
  while (text.size() % 64 != 56) text.push_back('\0');
  for (int shift = 56; shift >= 0; shift -= 8) text.push_back(static_cast<char>(bits >> shift));
  std::array<std::uint32_t, 5> h = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
  for (std::size_t at = 0; at < text.size(); at += 64) {
    std::array<std::uint32_t, 80> w{};
    for (std::size_t i = 0; i < 64; ++i) w[i / 4] = (w[i / 4] << 8) | static_cast<std::uint8_t>(text[at + i]);
    for (std::size_t i = 16; i < 80; ++i) w[i] = std::rotl(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
    auto [a, b, c, d, e] = h;
    for (std::size_t i = 0; i < 80; ++i) {
      const std::uint32_t f = i < 20              ? ((b & c) | (~b & d))
                              : i >= 40 && i < 60 ? ((b & c) | (b & d) | (c & d))
                                                  : b ^ c ^ d;
      const std::uint32_t k = i < 20 ? 0x5a827999 : i < 40 ? 0x6ed9eba1 : i < 60 ? 0x8f1bbcdc : 0xca62c1d6;
      const std::uint32_t next = std::rotl(a, 5) + f + e + k + w[i];
      e = d;
      d = c;
      c = std::rotl(b, 30);
      b = a;
      a = next;
    }
    h = {h[0] + a, h[1] + b, h[2] + c, h[3] + d, h[4] + e};
  }
  Digest out{};
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<std::uint8_t>(h[i / 4] >> (24 - 8 * (i % 4)));
  return out;
}

void fillRandom(std::span<std::uint8_t> bytes) {
  // Masks hide nothing from anybody here; they only have to differ.
  if (::getrandom(bytes.data(), bytes.size(), 0) < 0) bytes[0] ^= 1;
}

}  // namespace

std::string newSocketKey() {
  std::array<std::uint8_t, 16> bytes{};
  fillRandom(bytes);
  return base64Encode(std::as_bytes(std::span(bytes)));
}

std::string socketAccept(std::string_view key) {
  const Digest digest = sha1(std::string(key) + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
  return base64Encode(std::as_bytes(std::span(digest)));
}

std::string encodeFrame(Opcode opcode, std::string_view payload) {
  std::string out;
  out.reserve(payload.size() + 14);
  out.push_back(static_cast<char>(0x80 | static_cast<int>(opcode)));
  const std::uint64_t size = payload.size();
  if (size < 126) {
    out.push_back(static_cast<char>(0x80 | size));
  } else {
    const bool isShort = size <= 0xffff;
    out.push_back(static_cast<char>(0x80 | (isShort ? 126 : 127)));
    for (int shift = isShort ? 8 : 56; shift >= 0; shift -= 8) out.push_back(static_cast<char>(size >> shift));
  }
  std::array<std::uint8_t, 4> mask{};
  fillRandom(mask);
  out.append(reinterpret_cast<const char*>(mask.data()), mask.size());
  for (std::size_t i = 0; i < payload.size(); ++i) {
    out.push_back(static_cast<char>(static_cast<std::uint8_t>(payload[i]) ^ mask[i % 4]));
  }
  return out;
}

bool FrameDecoder::feed(std::string_view bytes, const Take& take) {
  input_.append(bytes);
  std::size_t at = 0;
  while (input_.size() - at >= 2) {
    const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(input_[at + i]); };
    // No extension was agreed on, and a server does not mask.
    if ((byte(0) & 0x70) != 0 || (byte(1) & 0x80) != 0) return false;
    std::uint64_t size = byte(1) & 0x7f;
    const std::size_t extra = size == 126 ? 2 : size == 127 ? 8 : 0;
    if (input_.size() - at < 2 + extra) break;
    if (extra != 0) size = 0;
    for (std::size_t i = 0; i < extra; ++i) size = (size << 8) | byte(2 + i);
    if (size > kMaxMessage) return false;
    if (input_.size() - at - 2 - extra < size) break;
    const std::string_view payload = std::string_view(input_).substr(at + 2 + extra, size);
    if (!frame(static_cast<Opcode>(byte(0) & 0x0f), (byte(0) & 0x80) != 0, payload, take)) return false;
    at += 2 + extra + size;
  }
  input_.erase(0, at);
  return true;
}

bool FrameDecoder::frame(Opcode opcode, bool last, std::string_view payload, const Take& take) {
  switch (opcode) {
    case Opcode::close:
    case Opcode::ping:
    case Opcode::pong:
      if (!last || payload.size() > 125) return false;
      take(opcode, payload);
      return true;
    case Opcode::text:
    case Opcode::binary:
      if (kind_ != Opcode::continuation) return false;
      if (last) {
        take(opcode, payload);
        return true;
      }
      kind_ = opcode;
      message_ = payload;
      return true;
    case Opcode::continuation:
      if (kind_ == Opcode::continuation || message_.size() + payload.size() > kMaxMessage) return false;
      message_.append(payload);
      if (last) {
        take(std::exchange(kind_, Opcode::continuation), message_);
        message_.clear();
      }
      return true;
  }
  return false;
}

}  // namespace computesdk::detail
