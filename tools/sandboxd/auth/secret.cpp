#include "auth/secret.hpp"

#include <sys/random.h>
#include <trust/sha256.hpp>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <span>

namespace computesdk::sandboxd {

std::string randomHex(std::size_t bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string raw(bytes, '\0');
  for (std::size_t done = 0; done < bytes;) {
    const ssize_t got = ::getrandom(raw.data() + done, bytes - done, 0);
    if (got > 0) done += static_cast<std::size_t>(got);
    // Without random bytes there is no secret: going on would hand out one that can be guessed.
    if (got < 0 && errno != EINTR) std::abort();
  }
  std::string text;
  text.reserve(bytes * 2);
  for (const char byte : raw) {
    const auto value = static_cast<unsigned char>(byte);
    text.push_back(kDigits[value >> 4]);
    text.push_back(kDigits[value & 15]);
  }
  return text;
}

SecretDigest digestOf(std::string_view secret) {
  registry::Sha256 hash;
  hash.update(std::as_bytes(std::span(secret.data(), secret.size())));
  const std::string text = hash.finish();
  SecretDigest digest{};
  std::copy_n(text.begin(), digest.size(), digest.begin());
  return digest;
}

bool sameDigest(const SecretDigest& a, const SecretDigest& b) noexcept {
  unsigned difference = 0;
  for (std::size_t at = 0; at < a.size(); ++at) {
    difference |= static_cast<unsigned char>(a[at]) ^ static_cast<unsigned char>(b[at]);
  }
  return difference == 0;
}

}  // namespace computesdk::sandboxd
