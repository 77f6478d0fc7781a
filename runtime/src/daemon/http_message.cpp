#include "daemon/http_message.hpp"

#include <algorithm>
#include <charconv>

namespace computesdk::detail {
namespace {

std::string lowered(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

std::string_view trimmed(std::string_view text) {
  const auto from = text.find_first_not_of(" \t");
  if (from == std::string_view::npos) return {};
  return text.substr(from, text.find_last_not_of(" \t") - from + 1);
}

template <typename Number>
bool readNumber(std::string_view text, Number& out, int base = 10) {
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), out, base);
  return failed == std::errc() && end == text.data() + text.size() && !text.empty();
}

void addCommon(std::string& out, std::string_view host, std::string_view token) {
  out.append("Host: ").append(host).append("\r\n");
  if (!token.empty()) out.append("Authorization: Bearer ").append(token).append("\r\n");
}

}  // namespace

std::string writeRequest(const HttpRequest& request, std::string_view host, std::string_view token) {
  std::string out = request.method + " " + request.target + " HTTP/1.1\r\n";
  addCommon(out, host, token);
  out += "Connection: close\r\n";
  if (!request.body.empty()) {
    out += "Content-Type: application/json\r\n";
    out += "Content-Length: " + std::to_string(request.body.size()) + "\r\n";
  } else if (request.method != "GET" && request.method != "HEAD") {
    out += "Content-Length: 0\r\n";
  }
  return out + "\r\n" + request.body;
}

std::string writeUpgrade(std::string_view target, std::string_view host, std::string_view token, std::string_view key) {
  std::string out = "GET " + std::string(target) + " HTTP/1.1\r\n";
  addCommon(out, host, token);
  out += "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ";
  return out.append(key).append("\r\n\r\n");
}

std::string_view ResponseParser::header(const std::string& name) const {
  const auto found = headers_.find(name);
  return found == headers_.end() ? std::string_view{} : std::string_view(found->second);
}

ResponseParser::State ResponseParser::state() const noexcept {
  return part_ == Part::done ? State::done : part_ == Part::bad ? State::bad : State::more;
}

ResponseParser::State ResponseParser::feed(std::string_view bytes) {
  input_.append(bytes);
  while (part_ != Part::done && part_ != Part::bad && step()) {
  }
  return state();
}

ResponseParser::State ResponseParser::end() {
  if (part_ == Part::toEnd) part_ = Part::done;
  if (part_ != Part::done) part_ = Part::bad;
  return state();
}

/// One part of the answer; false when more bytes are needed.
bool ResponseParser::step() {
  std::string line;
  switch (part_) {
    case Part::head: return readHead();
    case Part::counted:
      if (!take(left_)) return false;
      if (left_ == 0) part_ = Part::done;
      return true;
    case Part::toEnd: return take(kMaxBody + 1);
    case Part::chunkSize:
      if (!readLine(line)) return false;
      if (!readChunkSize(line)) part_ = Part::bad;
      return true;
    case Part::chunkData:
      if (!take(left_)) return false;
      if (left_ == 0) part_ = Part::chunkEnd;
      return true;
    case Part::chunkEnd:
      if (!readLine(line)) return false;
      part_ = line.empty() ? Part::chunkSize : Part::bad;
      return true;
    case Part::trailer:
      if (!readLine(line)) return false;
      if (line.empty()) part_ = Part::done;
      return true;
    case Part::done:
    case Part::bad: return false;
  }
  return false;
}

bool ResponseParser::readHead() {
  const auto end = input_.find("\r\n\r\n");
  if (end == std::string::npos) {
    if (input_.size() > kMaxHead) part_ = Part::bad;
    return false;
  }
  const std::string text = input_.substr(0, end + 2);
  input_.erase(0, end + 4);
  if (text.size() > kMaxHead || !parseHead(text)) {
    part_ = Part::bad;
  } else if (status_ >= 100 && status_ < 200 && status_ != 101) {
    headers_.clear();  // the answer proper is still to come
  } else {
    bodyFollows();
  }
  return true;
}

bool ResponseParser::parseHead(std::string_view text) {
  const std::string_view first = text.substr(0, text.find("\r\n"));
  if (!first.starts_with("HTTP/1.") || first.size() < 12 || !readNumber(first.substr(9, 3), status_)) return false;
  if (status_ < 100 || status_ > 599) return false;
  text.remove_prefix(first.size() + 2);
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find("\r\n"));
    text.remove_prefix(line.size() + 2);
    const auto colon = line.find(':');
    if (colon == std::string_view::npos || colon == 0) return false;
    headers_[lowered(line.substr(0, colon))] = trimmed(line.substr(colon + 1));
  }
  return true;
}

void ResponseParser::bodyFollows() {
  if (head_ || status_ == 101 || status_ == 204 || status_ == 304) {
    part_ = Part::done;
  } else if (lowered(header("transfer-encoding")) == "chunked") {
    part_ = Part::chunkSize;
  } else if (const std::string_view length = header("content-length"); !length.empty()) {
    const bool good = readNumber(length, left_) && left_ <= kMaxBody;
    part_ = !good ? Part::bad : left_ == 0 ? Part::done : Part::counted;
  } else {
    part_ = Part::toEnd;
  }
}

/// Moves up to `count` bytes to the body and takes them off left_; false when there are none.
bool ResponseParser::take(std::size_t count) {
  const std::size_t size = std::min(count, input_.size());
  if (size == 0) return false;
  if (body_.size() + size > kMaxBody) {
    part_ = Part::bad;
    return true;
  }
  body_.append(input_, 0, size);
  input_.erase(0, size);
  if (part_ != Part::toEnd) left_ -= size;
  return true;
}

bool ResponseParser::readLine(std::string& line) {
  const auto end = input_.find("\r\n");
  if (end == std::string::npos) {
    if (input_.size() > kMaxHead) part_ = Part::bad;
    return false;
  }
  line = input_.substr(0, end);
  input_.erase(0, end + 2);
  return true;
}

bool ResponseParser::readChunkSize(std::string_view line) {
  if (!readNumber(trimmed(line.substr(0, line.find(';'))), left_, 16) || left_ > kMaxBody) return false;
  part_ = left_ == 0 ? Part::trailer : Part::chunkData;
  return true;
}

}  // namespace computesdk::detail
