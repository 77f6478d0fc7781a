#include <computesdk/serving/server.hpp>

#include <cinttypes>
#include <cstdio>
#include <ctime>

namespace computesdk::serving {
namespace {

std::string lowered(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  return out;
}

std::string rfc3339(std::chrono::system_clock::time_point at) {
  const auto millis = std::chrono::duration_cast<std::chrono::milliseconds>(at.time_since_epoch()).count();
  const std::time_t seconds = static_cast<std::time_t>(millis / 1000);
  std::tm tm{};
  ::gmtime_r(&seconds, &tm);
  char text[64];
  std::snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
                tm.tm_hour, tm.tm_min, tm.tm_sec, static_cast<int>(millis % 1000));
  return text;
}

}  // namespace

std::string formatAccess(const AccessRecord& record) {
  std::string out = "{\"time\":\"" + rfc3339(std::chrono::system_clock::now()) + "\",\"id\":" + jsonString(record.id);
  out += ",\"peer\":" + jsonString(record.peer) + ",\"host\":" + jsonString(record.host);
  out += ",\"method\":" + jsonString(record.method) + ",\"target\":" + jsonString(record.target);
  out += ",\"route\":" + jsonString(record.route) + ",\"status\":" + std::to_string(record.status);
  out += ",\"bytes_in\":" + std::to_string(record.bytesIn) + ",\"bytes_out\":" + std::to_string(record.bytesOut);
  return out + ",\"duration_us\":" + std::to_string(record.duration.count()) + "}";
}

std::string maskTarget(std::string_view target) {
  static constexpr std::string_view kSecret[] = {"token", "session_token", "access_token", "api_key", "code"};
  static constexpr std::string_view kMagic = "/auth/magic/";
  const std::size_t question = target.find('?');
  std::string out(target.substr(0, question));
  // The code of a magic link is a secret of the path.
  if (const std::size_t magic = out.find(kMagic); magic != std::string::npos) {
    out.replace(magic + kMagic.size(), std::string::npos, "***");
  }
  if (question == std::string_view::npos) return out;
  char before = '?';
  for (std::string_view rest = target.substr(question + 1);;) {
    const std::size_t end = rest.find('&');
    const std::string_view pair = rest.substr(0, end);
    const std::size_t equals = pair.find('=');
    const std::string name =
        lowered(percentDecode(pair.substr(0, equals)).value_or(std::string(pair.substr(0, equals))));
    out += before;
    out += pair.substr(0, equals);
    if (equals != std::string_view::npos) {
      bool secret = false;
      for (const std::string_view word : kSecret) secret = secret || name == word;
      out += '=';
      out += secret ? std::string_view("***") : pair.substr(equals + 1);
    }
    if (end == std::string_view::npos) return out;
    rest = rest.substr(end + 1);
    before = '&';
  }
}

bool secretHeader(std::string_view name) noexcept {
  static constexpr std::string_view kParts[] = {"token", "secret", "-key", "cookie", "authorization", "password"};
  const std::string small = lowered(name);
  for (const std::string_view part : kParts) {
    if (small.find(part) != std::string::npos) return true;
  }
  return false;
}

Handler metricsHandler(Metrics& metrics) {
  return [&metrics](const Request&) {
    return Response::text(200, metrics.text(), "text/plain; version=0.0.4; charset=utf-8");
  };
}

}  // namespace computesdk::serving
