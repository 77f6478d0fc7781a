#include "server.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

namespace computesdk::simulators {
namespace {

std::string lowerCase(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; });
  return out;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t' || text.back() == '\r')) text.remove_suffix(1);
  return text;
}

void parseQuery(std::string_view text, std::map<std::string, std::string>& query) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('&'), text.size());
    const std::string_view pair = text.substr(0, end);
    const std::size_t equals = std::min(pair.find('='), pair.size());
    query[percentDecoded(pair.substr(0, equals))] = percentDecoded(pair.substr(std::min(equals + 1, pair.size())));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

std::string headOf(int status, std::string_view contentType, const Headers& headers) {
  std::string head = "HTTP/1.1 " + std::to_string(status) + " Status\r\n";
  if (!contentType.empty()) head.append("Content-Type: ").append(contentType).append("\r\n");
  for (const auto& [name, value] : headers) head.append(name).append(": ").append(value).append("\r\n");
  return head;
}

}  // namespace

std::string percentDecoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    unsigned char byte = 0;
    const char* const hex = text.data() + i + 1;
    if (text[i] == '%' && i + 2 < text.size() && std::from_chars(hex, hex + 2, byte, 16).ptr == hex + 2) {
      out += static_cast<char>(byte);
      i += 2;
    } else {
      out += text[i] == '+' ? ' ' : text[i];
    }
  }
  return out;
}

std::string Request::header(std::string_view lowerName) const {
  const auto found =
      std::find_if(headers.begin(), headers.end(), [&](const auto& one) { return one.first == lowerName; });
  return found == headers.end() ? std::string() : found->second;
}

bool Exchange::fill() {
  char buffer[16384];
  const long got = stream.read(buffer, sizeof buffer);
  if (got <= 0) return false;
  early_.append(buffer, static_cast<std::size_t>(got));
  return true;
}

bool Exchange::takeLine(std::string& line) {
  std::size_t end;
  while ((end = early_.find("\r\n")) == std::string::npos) {
    if (early_.size() > 256 * 1024 || !fill()) return false;
  }
  line = early_.substr(0, end);
  early_.erase(0, end + 2);
  return true;
}

bool Exchange::readHead() {
  std::string line;
  if (!takeLine(line)) return false;
  const std::size_t first = line.find(' '), last = line.rfind(' ');
  if (first == std::string::npos || first == last) return false;
  request.method = line.substr(0, first);
  request.target = line.substr(first + 1, last - first - 1);
  const std::size_t question = std::min(request.target.find('?'), request.target.size());
  request.path = request.target.substr(0, question);
  parseQuery(std::string_view(request.target).substr(std::min(question + 1, request.target.size())), request.query);
  while (takeLine(line)) {
    if (line.empty()) {
      chunkedBody_ = lowerCase(request.header("transfer-encoding")) == "chunked";
      const std::string length = request.header("content-length");
      std::from_chars(length.data(), length.data() + length.size(), bodyLeft_);
      bodyDone_ = !chunkedBody_ && bodyLeft_ == 0;
      close = lowerCase(request.header("connection")) == "close";
      return true;
    }
    const std::size_t colon = line.find(':');
    if (colon == std::string::npos) return false;
    request.headers.emplace_back(lowerCase(std::string_view(line).substr(0, colon)),
                                 std::string(trimmed(std::string_view(line).substr(colon + 1))));
  }
  return false;
}

std::optional<std::string> Exchange::take(std::size_t most) {
  if (early_.empty() && !fill()) return {};
  std::string piece = early_.substr(0, most);
  early_.erase(0, piece.size());
  return piece;
}

std::optional<std::string> Exchange::bodyPiece() {
  if (bodyDone_) return {};
  std::string line;
  if (chunkedBody_ && bodyLeft_ == 0) {
    if (!takeLine(line)) return {};
    std::from_chars(line.data(), line.data() + line.size(), bodyLeft_, 16);
    if (bodyLeft_ == 0) {
      bodyDone_ = takeLine(line);
      return {};
    }
  }
  auto piece = take(static_cast<std::size_t>(bodyLeft_));
  if (!piece) return {};
  bodyLeft_ -= static_cast<std::int64_t>(piece->size());
  if (bodyLeft_ == 0 && chunkedBody_) takeLine(line);
  if (bodyLeft_ == 0 && !chunkedBody_) bodyDone_ = true;
  return piece;
}

void Exchange::carryInput(const std::function<bool(std::string_view)>& sink) {
  answered_ = true;
  bodyDone_ = true;
  while (!early_.empty() || fill()) {
    if (!sink(early_)) return;
    early_.clear();
  }
}

bool Exchange::readBody() {
  while (!bodyDone_) {
    auto piece = bodyPiece();
    if (piece) request.body += *piece;
    if (!piece && !bodyDone_) return false;
  }
  return true;
}

void Exchange::begins() {
  if (beginning_) std::exchange(beginning_, nullptr)();
}

void Exchange::ends() {
  begins();
  if (ending_) std::exchange(ending_, nullptr)();
}

bool Exchange::writeHead(const std::string& head) {
  answered_ = true;
  if (!stream.write(head)) close = true;
  if (breakAfter_ >= 0) stream.breakAfter(breakAfter_, breakWithReset_);
  return !close;
}

// A break that the body was too short for comes with the body's end.
void Exchange::endWithFault() {
  if (breakAfter_ >= 0) {
    stream.breakAfter(0, breakWithReset_);
    stream.write(" ");
    close = true;
  }
  if (quietClose_) close = true;
}

void Exchange::respond(int status, std::string_view body, std::string_view contentType, const Headers& headers) {
  status_ = status;
  ends();
  if (truncateLeft_ >= 0) body = body.substr(0, static_cast<std::size_t>(truncateLeft_));
  std::string whole = headOf(status, status == 204 ? std::string_view{} : contentType, headers);
  if (status != 204) whole += "Content-Length: " + std::to_string(body.size()) + "\r\n";
  if (close) whole += "Connection: close\r\n";
  whole += "\r\n";
  const bool withBody = request.method != "HEAD";
  if (breakAfter_ >= 0) {
    if (writeHead(whole) && withBody && !stream.write(body)) close = true;
  } else {
    writeHead(withBody ? whole.append(body) : whole);
  }
  endWithFault();
}

void Exchange::begin(int status, std::string_view contentType, const Headers& headers, std::int64_t length) {
  status_ = status;
  begins();
  sized_ = length >= 0;
  if (sized_ && truncateLeft_ >= 0) length = std::min(length, truncateLeft_);
  const std::string framing = sized_ ? "Content-Length: " + std::to_string(length) : "Transfer-Encoding: chunked";
  writeHead(headOf(status, contentType, headers) + framing + "\r\n\r\n");
}

bool Exchange::chunk(std::string_view data) {
  if (truncateLeft_ >= 0) {
    data = data.substr(0, static_cast<std::size_t>(truncateLeft_));
    truncateLeft_ -= static_cast<std::int64_t>(data.size());
  }
  if (data.empty()) return !close;  // an empty chunk would be the end
  std::string whole;
  if (!sized_) {
    char line[24];
    whole.assign(line, static_cast<std::size_t>(std::snprintf(line, sizeof line, "%zx\r\n", data.size())));
  }
  whole.append(data).append(sized_ ? "" : "\r\n");
  if (!stream.write(whole)) close = true;
  return !close;
}

void Exchange::end() {
  ends();
  if (breakAfter_ < 0 && !sized_ && !stream.write("0\r\n\r\n")) close = true;
  endWithFault();
}

}  // namespace computesdk::simulators
