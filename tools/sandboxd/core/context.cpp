#include "core/context.hpp"

#include <sys/random.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <ctime>

#include "core/sandbox_routes.hpp"

namespace computesdk::sandboxd {
namespace {

/// The parts of "http://host:port/path".
struct UrlParts {
  std::string_view scheme, host, port, path;
};

UrlParts splitUrl(std::string_view url) {
  UrlParts parts;
  const auto colon = url.find("://");
  parts.scheme = colon == std::string_view::npos ? "http" : url.substr(0, colon);
  auto rest = colon == std::string_view::npos ? url : url.substr(colon + 3);
  const auto slash = std::min(rest.find('/'), rest.size());
  parts.path = rest.substr(slash);
  const auto authority = rest.substr(0, slash);
  const auto bracket = authority.find(']');
  const auto port = authority.find(':', bracket == std::string_view::npos ? 0 : bracket);
  parts.host = authority.substr(0, port);
  if (port != std::string_view::npos) parts.port = authority.substr(port);
  return parts;
}

bool isLabelled(std::string_view host) {
  return host.find('.') != std::string_view::npos && host.front() != '[' &&
         host.find_first_not_of("0123456789.") != std::string_view::npos;
}

}  // namespace

std::string timestamp(std::chrono::system_clock::time_point time) {
  const auto millis = std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
  const std::time_t seconds = millis / 1000;
  std::tm utc{};
  ::gmtime_r(&seconds, &utc);
  char text[64];
  const auto length = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
  std::snprintf(text + length, sizeof text - length, ".%03dZ", static_cast<int>(millis % 1000));
  return text;
}

Context::Context(Shared& shared, std::string subdomain, std::string directory, std::string baseUrl, bool isMain)
    : shared_(shared),
      subdomain_(std::move(subdomain)),
      directory_(std::move(directory)),
      createdAt_(timestamp()),
      ownUrl_(std::move(baseUrl)),
      isMain_(isMain),
      hub_(shared.loop) {}

Context::~Context() = default;

std::string Context::baseUrl() const { return isMain_ ? shared_.config.baseUrl : ownUrl_; }

std::string Context::socketUrl() const {
  const auto base = baseUrl();
  if (base.rfind("https://", 0) == 0) return "wss" + base.substr(5) + "/ws";
  if (base.rfind("http://", 0) == 0) return "ws" + base.substr(4) + "/ws";
  return base + "/ws";
}

std::string Context::portUrl(int port) const {
  // Ports belong to the machine: a child's port has the URL of the main sandbox.
  const auto number = std::to_string(port);
  const auto parts = splitUrl(shared_.config.baseUrl);
  std::string url(parts.scheme);
  url += "://";
  if (!parts.path.empty() && parts.path != "/") {
    url.append(parts.host).append(parts.port).append(parts.path);
    return url + "/p/" + number + "/";
  }
  if (!isLabelled(parts.host)) return url.append(parts.host) + ":" + number;
  const auto dot = parts.host.find('.');
  return url.append(parts.host.substr(0, dot)) + "-" + number + std::string(parts.host.substr(dot)) +
         std::string(parts.port);
}

std::string Context::resolve(std::string_view path) const {
  if (!path.empty() && path.front() == '/') return std::string(path);
  if (path.empty()) return directory_;
  return directory_ == "/" ? "/" + std::string(path) : directory_ + "/" + std::string(path);
}

std::vector<std::string> Context::environment(const std::vector<std::pair<std::string, std::string>>& added) const {
  auto all = shared_.environment;
  for (const auto& [name, value] : added) all[name] = value;
  std::vector<std::string> out;
  out.reserve(all.size());
  for (const auto& [name, value] : all) out.push_back(name + "=" + value);
  return out;
}

std::string Context::newId(std::string_view prefix) {
  unsigned char bytes[8];
  while (::getrandom(bytes, sizeof bytes, 0) != static_cast<ssize_t>(sizeof bytes)) {
    // Eight bytes come whole; only a signal before the pool is ready can interrupt.
  }
  std::string id(prefix);
  for (const unsigned char byte : bytes) {
    char digits[3];
    std::snprintf(digits, sizeof digits, "%02x", byte);
    id += digits;
  }
  return id;
}

void Context::onStop(std::function<void()> task) {
  const std::lock_guard lock(mutex_);
  stops_.push_back(std::move(task));
}

void Context::stop() {
  std::vector<std::function<void()>> stops;
  {
    const std::lock_guard lock(mutex_);
    stops.swap(stops_);
  }
  for (auto task = stops.rbegin(); task != stops.rend(); ++task) (*task)();
  hub_.closeAll();
}

Identity identityOf(const serving::Request& request) {
  const auto* of = std::any_cast<RequestOwner>(&request.context);
  return of == nullptr ? Identity{} : of->identity;
}

}  // namespace computesdk::sandboxd
