#include "multipart.hpp"

#include <algorithm>
#include <cctype>
#include <cstring>

namespace computesdk::simulators {
namespace {

// The value of name="…" in a header, with the escapes that browsers and clients use.
std::string attribute(const std::string& line, const std::string& name) {
  const std::size_t at = line.find("; " + name + "=\"");
  if (at == std::string::npos) return {};
  const std::size_t begin = at + name.size() + 4, end = line.find('"', begin);
  std::string value = line.substr(begin, end == std::string::npos ? end : end - begin);
  for (const auto& [code, text] : {std::pair{"%22", "\""}, std::pair{"%0A", "\n"}, std::pair{"%0D", "\r"}}) {
    for (std::size_t i = 0; (i = value.find(code, i)) != std::string::npos; ++i) value.replace(i, 3, text);
  }
  return value;
}

}  // namespace

Multipart::Multipart(std::string boundary, Next next)
    : delimiter_("\r\n--" + std::move(boundary)), next_(std::move(next)) {}

bool Multipart::more() {
  auto piece = next_();
  if (piece) buffer_ += *piece;
  return piece.has_value();
}

bool Multipart::takeLine(std::string& line) {
  std::size_t end = 0;
  while ((end = buffer_.find("\r\n")) == std::string::npos) {
    if (!more()) return false;
  }
  line = buffer_.substr(0, end);
  buffer_.erase(0, end + 2);
  return true;
}

std::optional<Multipart::Part> Multipart::nextPart() {
  std::byte ignored[4096];
  while (!ended_ && inPart_ && read(ignored) > 0) {
  }
  std::string line;
  if (ended_ || broken_ || !takeLine(line) || line.starts_with("--")) {
    ended_ = true;
    return {};
  }
  Part part;
  while (takeLine(line) && !line.empty()) {
    std::string name = line.substr(0, line.find(':'));
    std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
    if (name != "content-disposition") continue;
    part.name = attribute(line, "name");
    part.filename = attribute(line, "filename");
  }
  inPart_ = true;
  return part;
}

std::size_t Multipart::read(std::span<std::byte> into) {
  while (inPart_) {
    const std::size_t at = buffer_.find(delimiter_);
    if (at == 0) {
      buffer_.erase(0, delimiter_.size());
      inPart_ = false;
      break;
    }
    // Without a delimiter in sight its beginning may be at the end of what is there.
    const std::size_t safe =
        at != std::string::npos ? at : buffer_.size() - std::min(buffer_.size(), delimiter_.size());
    if (safe > 0) {
      const std::size_t count = std::min(safe, into.size());
      std::memcpy(into.data(), buffer_.data(), count);
      buffer_.erase(0, count);
      return count;
    }
    if (!more()) {
      broken_ = true;
      inPart_ = false;
    }
  }
  return 0;
}

}  // namespace computesdk::simulators
