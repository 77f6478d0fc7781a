#include "common/streams.hpp"

#include <computesdk/provider/error.hpp>

#include <utility>

namespace computesdk::vendor {
namespace {

[[noreturn]] void tooLong(const char* what) {
  throw plugin::Error(CSDK_UNAVAILABLE, std::string("the answer holds ") + what + " of more than " +
                                            std::to_string(kPieceMax >> 20) + " MiB")
      .errorClass(CSDK_ERROR_PROTOCOL);
}

/// Drops what was given out before more is added.
void compact(std::string& buffer, std::size_t& used) {
  if (used == 0) return;
  buffer.erase(0, used);
  used = 0;
}

}  // namespace

void LineDecoder::feed(std::string_view bytes) {
  scanned_ -= std::min(scanned_, used_);
  compact(buffer_, used_);
  buffer_ += bytes;
}

std::optional<std::string_view> LineDecoder::next() {
  const std::size_t end = buffer_.find('\n', std::max(scanned_, used_));
  if (end == std::string::npos) {
    scanned_ = buffer_.size();
    if (buffer_.size() - used_ > kPieceMax) tooLong("a line");
    return {};
  }
  std::string_view line(buffer_.data() + used_, end - used_);
  used_ = end + 1;
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

std::string_view LineDecoder::rest() const noexcept { return std::string_view(buffer_).substr(used_); }

void ConnectDecoder::feed(std::string_view bytes) {
  compact(buffer_, used_);
  buffer_ += bytes;
}

std::optional<ConnectDecoder::Envelope> ConnectDecoder::next() {
  constexpr std::size_t kHead = 5;
  const std::string_view rest = std::string_view(buffer_).substr(used_);
  if (rest.size() < kHead) return {};
  std::size_t length = 0;
  for (std::size_t i = 1; i < kHead; ++i) length = length << 8 | static_cast<std::uint8_t>(rest[i]);
  if (length > kPieceMax) tooLong("a message");
  if (rest.size() - kHead < length) return {};
  used_ += kHead + length;
  return Envelope{static_cast<std::uint8_t>(rest[0]), rest.substr(kHead, length)};
}

std::string ConnectDecoder::encode(std::string_view message, std::uint8_t flags) {
  std::string out(1, static_cast<char>(flags));
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(message.size() >> shift & 0xff);
  return out += message;
}

void SseDecoder::feed(std::string_view bytes) { lines_.feed(bytes); }

bool SseDecoder::field(std::string_view line) {
  if (std::exchange(first_, false) && line.starts_with("\xef\xbb\xbf")) line.remove_prefix(3);
  if (line.empty()) {
    givenName_ = std::exchange(name_, {});
    if (givenName_.empty()) givenName_ = "message";
    givenData_ = std::exchange(data_, {});
    return std::exchange(hasData_, false);
  }
  const std::size_t colon = line.find(':');
  const std::string_view key = line.substr(0, colon);
  std::string_view value = colon == std::string_view::npos ? std::string_view() : line.substr(colon + 1);
  if (value.starts_with(' ')) value.remove_prefix(1);
  if (key == "data") {
    if (hasData_) data_ += '\n';
    hasData_ = true;
    data_ += value;
    if (data_.size() > kPieceMax) tooLong("an event");
  } else if (key == "event") {
    name_ = value;
  } else if (key == "id") {
    id_ = value;
  }
  return false;
}

std::optional<SseDecoder::Event> SseDecoder::next() {
  while (const auto line = lines_.next()) {
    if (field(*line)) return Event{givenName_, givenData_, id_};
  }
  return {};
}

}  // namespace computesdk::vendor
