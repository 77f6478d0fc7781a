#include "store/keys.hpp"

#include "store/store.hpp"

#include <sys/random.h>

#include <array>
#include <cerrno>

namespace computesdk::gateway {
namespace {

/// With % and : percent-encoded, so that (a, b:c) and (a:b, c) differ.
std::string keyPart(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    if (c == '%') {
      out += "%25";
    } else if (c == ':') {
      out += "%3A";
    } else {
      out += c;
    }
  }
  return out;
}

std::string joined(const NameKey& key) {
  return keyPart(key.workspace) + ":" + keyPart(key.nameSpace) + ":" + keyPart(key.name);
}

}  // namespace

std::string namespaceKey(std::string_view workspace, std::string_view nameSpace) {
  return "sandbox:namespace:" + keyPart(workspace) + ":" + keyPart(nameSpace);
}

std::string nameKey(const NameKey& key) { return "sandbox:name:" + joined(key); }

std::string keys::claim(const NameKey& key) { return "computesdk:claim:" + joined(key); }

std::string newUuid() {
  std::array<unsigned char, 16> bytes{};
  std::size_t have = 0;
  while (have < bytes.size()) {
    const ssize_t got = ::getrandom(bytes.data() + have, bytes.size() - have, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) break;
    have += static_cast<std::size_t>(got);
  }
  bytes[6] = static_cast<unsigned char>((bytes[6] & 0x0F) | 0x40);
  bytes[8] = static_cast<unsigned char>((bytes[8] & 0x3F) | 0x80);
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) out += '-';
    out += "0123456789abcdef"[bytes[i] >> 4];
    out += "0123456789abcdef"[bytes[i] & 15];
  }
  return out;
}

}  // namespace computesdk::gateway
