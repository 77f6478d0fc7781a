#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

// Secrets of the daemon: made from the kernel's random bytes, kept as digests, compared in constant time.
namespace computesdk::sandboxd {

/// SHA-256 as 64 lower-case hexadecimal digits. What is kept of a secret.
using SecretDigest = std::array<char, 64>;

/// `bytes` random bytes of the kernel as twice as many lower-case hexadecimal digits. Waits for the pool at boot only.
/// Thread-safe.
std::string randomHex(std::size_t bytes);

/// The digest of a secret. Thread-safe.
SecretDigest digestOf(std::string_view secret);

/// Whether both are equal; the time taken says nothing about where they differ. Thread-safe.
bool sameDigest(const SecretDigest& a, const SecretDigest& b) noexcept;

}  // namespace computesdk::sandboxd
