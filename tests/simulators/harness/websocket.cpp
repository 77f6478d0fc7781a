#include "server.hpp"

#include <openssl/evp.h>
#include <openssl/sha.h>

#include <algorithm>
#include <utility>

namespace computesdk::simulators {

std::unique_ptr<WebSocket> Exchange::upgrade(std::string_view subprotocol) {
  begins();
  const std::string key = request.header("sec-websocket-key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  unsigned char digest[SHA_DIGEST_LENGTH];
  SHA1(reinterpret_cast<const unsigned char*>(key.data()), key.size(), digest);
  unsigned char accept[32];
  EVP_EncodeBlock(accept, digest, sizeof digest);
  std::string head =
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ";
  head.append(reinterpret_cast<const char*>(accept)).append("\r\n");
  if (!subprotocol.empty()) head.append("Sec-WebSocket-Protocol: ").append(subprotocol).append("\r\n");
  stream.write(head + "\r\n");
  if (breakAfter_ >= 0) stream.breakAfter(breakAfter_, breakWithReset_);
  upgraded_ = true;
  return std::make_unique<WebSocket>(stream, std::move(early_), std::exchange(ending_, nullptr));
}

bool WebSocket::fill(std::size_t bytes) {
  while (buffer_.size() < bytes) {
    char piece[16384];
    const long got = stream_.read(piece, sizeof piece);
    if (got <= 0) return false;
    buffer_.append(piece, static_cast<std::size_t>(got));
  }
  return true;
}

bool WebSocket::frame(int opcode, std::string_view data, bool final) {
  std::string head;
  head += static_cast<char>((final ? 0x80 : 0) | opcode);
  if (data.size() < 126) {
    head += static_cast<char>(data.size());
  } else {
    const int bytes = data.size() < 65536 ? 2 : 8;
    head += static_cast<char>(bytes == 2 ? 126 : 127);
    for (int i = bytes - 1; i >= 0; --i) head += static_cast<char>(data.size() >> (8 * i) & 0xff);
  }
  const std::lock_guard lock(mutex_);
  return stream_.write(head.append(data));
}

bool WebSocket::send(std::string_view data, bool text, bool final, bool continuation) {
  return frame(continuation ? 0 : text ? 1 : 2, data, final);
}

bool WebSocket::ping(std::string_view data) { return frame(9, data, true); }

void WebSocket::close(int code, std::string_view reason) {
  if (closed_.exchange(true)) return;
  if (ending_) ending_();
  std::string body;
  body += static_cast<char>(code >> 8);
  body += static_cast<char>(code & 0xff);
  frame(8, body.append(reason), true);
}

std::optional<WebSocket::Message> WebSocket::receive() {
  Message message;
  for (;;) {
    closeCode = 1006;
    if (!fill(2)) return {};
    const auto byte = [this](std::size_t i) { return static_cast<unsigned char>(buffer_[i]); };
    const bool final = (byte(0) & 0x80) != 0;
    const int opcode = byte(0) & 0x0f;
    std::uint64_t size = byte(1) & 0x7f;
    std::size_t head = 2;
    if (size >= 126) {
      const std::size_t bytes = size == 126 ? 2 : 8;
      if (!fill(2 + bytes)) return {};
      size = 0;
      for (std::size_t i = 0; i < bytes; ++i) size = size << 8 | byte(2 + i);
      head += bytes;
    }
    if ((byte(1) & 0x80) == 0 || size > (std::uint64_t{64} << 20) || !fill(head + 4 + size)) return {};
    std::string data = buffer_.substr(head + 4, size);
    for (std::size_t i = 0; i < data.size(); ++i) data[i] = static_cast<char>(data[i] ^ buffer_[head + i % 4]);
    buffer_.erase(0, head + 4 + size);
    if (opcode == 8) {
      closeCode =
          data.size() < 2 ? 1005 : static_cast<unsigned char>(data[0]) << 8 | static_cast<unsigned char>(data[1]);
      closeReason = data.size() < 2 ? "" : data.substr(2);
      close(closeCode == 1005 ? 1000 : closeCode);
      return {};
    }
    if (opcode == 9) {
      frame(10, data, true);
    } else if (opcode == 10) {
      ++pongs;
    } else {
      if (opcode != 0) message.text = opcode == 1;
      message.data += data;
      if (final) return message;
    }
  }
}

}  // namespace computesdk::simulators
