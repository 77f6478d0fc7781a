#include "answer_head.hpp"

#include <cstdio>
#include <ctime>

namespace computesdk::serving {
namespace {

/// "Sun, 06 Nov 1994 08:49:37 GMT", made once a second.
const std::string& httpDate() {
  thread_local std::time_t at = 0;
  thread_local std::string text;
  const std::time_t now = std::time(nullptr);
  if (now != at) {
    static constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                              "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    std::tm tm{};
    ::gmtime_r(&now, &tm);
    char buffer[64];
    std::snprintf(buffer, sizeof buffer, "%s, %02d %s %04d %02d:%02d:%02d GMT", kDays[tm.tm_wday], tm.tm_mday,
                  kMonths[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
    at = now;
    text = buffer;
  }
  return text;
}

/// Whoever puts a client's text into a header must not let him end it.
void appendClean(std::string& out, std::string_view text) {
  for (const char c : text) out += c == '\r' || c == '\n' || c == '\0' ? ' ' : c;
}

void appendField(std::string& out, std::string_view name, std::string_view value) {
  appendClean(out, name);
  out += ": ";
  appendClean(out, value);
  out += "\r\n";
}

bool isFraming(std::string_view name) {
  return equalNames(name, "Content-Length") || equalNames(name, "Transfer-Encoding") ||
         equalNames(name, "Connection") || equalNames(name, "Keep-Alive");
}

std::string statusLine(int status) {
  std::string out;
  out.reserve(512);
  out += "HTTP/1.1 ";
  out += std::to_string(status);
  out += ' ';
  out += statusText(status);
  return out += "\r\n";
}

}  // namespace

std::string answerHead(const Response& response, const AnswerFraming& framing) {
  std::string out = statusLine(response.status);
  bool dated = false;
  for (const auto& [name, value] : response.headers) {
    if (isFraming(name)) continue;
    dated = dated || equalNames(name, "Date");
    appendField(out, name, value);
  }
  if (!dated) appendField(out, "Date", httpDate());
  const bool bodiless = response.status < 200 || response.status == 204 || response.status == 304;
  if (!bodiless && framing.chunked) {
    out += "Transfer-Encoding: chunked\r\n";
  } else if (!bodiless && framing.length) {
    appendField(out, "Content-Length", std::to_string(*framing.length));
  }
  if (!framing.keepAlive) {
    out += "Connection: close\r\n";
  } else if (framing.http10) {
    out += "Connection: keep-alive\r\n";
  }
  return out += "\r\n";
}

void appendFields(std::string& out, const Headers& headers) {
  for (const auto& [name, value] : headers) appendField(out, name, value);
}

std::string bareHead(const Response& response) {
  std::string out = statusLine(response.status);
  appendFields(out, response.headers);
  return out += "\r\n";
}

}  // namespace computesdk::serving
