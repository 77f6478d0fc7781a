#include "common/multipart.hpp"

#include <cstdint>
#include <random>

namespace computesdk::vendor {
namespace {

/// As browsers do it: what would end the quoted name is percent-encoded.
std::string quoted(std::string_view name) {
  std::string out;
  for (const char c : name) {
    if (c == '"') {
      out += "%22";
    } else if (c == '\r') {
      out += "%0D";
    } else if (c == '\n') {
      out += "%0A";
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace

Multipart::Multipart() : boundary_("computesdk-") {
  std::random_device random;
  for (int i = 0; i < 4; ++i) {
    for (std::uint32_t word = random(), digit = 0; digit < 8; ++digit, word >>= 4)
      boundary_ += "0123456789abcdef"[word & 15];
  }
}

void Multipart::open() { before_ += (before_.empty() ? "--" : "\r\n--") + boundary_ + "\r\n"; }

Multipart& Multipart::field(std::string_view name, std::string_view value) {
  open();
  before_ += "Content-Disposition: form-data; name=\"" + quoted(name) + "\"\r\n\r\n" + std::string(value);
  return *this;
}

Multipart& Multipart::file(std::string_view name, std::string_view fileName) {
  open();
  before_ += "Content-Disposition: form-data; name=\"" + quoted(name) + "\"; filename=\"" + quoted(fileName) +
             "\"\r\nContent-Type: application/octet-stream\r\n\r\n";
  return *this;
}

std::string Multipart::after() const { return "\r\n--" + boundary_ + "--\r\n"; }

}  // namespace computesdk::vendor
