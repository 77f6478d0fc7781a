#include "connect.hpp"

#include "addresses.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <charconv>

namespace computesdk::net {
namespace {

constexpr std::size_t kMaxProxyHead = 16 * 1024;

/// A peer that vanished without a word is noticed after a minute, on connections that wait for long too.
void prepare(tcp::socket& socket) {
  const int fd = socket.native_handle();
  const auto set = [fd](int level, int option, int value) { ::setsockopt(fd, level, option, &value, sizeof value); };
  set(IPPROTO_TCP, TCP_NODELAY, 1);
  set(SOL_SOCKET, SO_KEEPALIVE, 1);
  set(IPPROTO_TCP, TCP_KEEPIDLE, 30);
  set(IPPROTO_TCP, TCP_KEEPINTVL, 10);
  set(IPPROTO_TCP, TCP_KEEPCNT, 3);
}

struct Dialled {
  std::optional<tcp::socket> socket;
  Failure failure;
};

std::string place(const std::string& host, std::uint16_t port) {
  const bool bare6 = host.find(':') != std::string::npos;
  return (bare6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

/// One address. The socket is closed at `until`, which ends the attempt.
Task<error_code> dialOne(tcp::socket& socket, tcp::endpoint endpoint, asio::io_context& io, Clock::time_point until,
                         Abort& abort) {
  error_code error;
  socket.open(endpoint.protocol(), error);
  if (error) co_return error;
  const auto close = [&socket] {
    error_code ignored;
    socket.close(ignored);
  };
  const Abort::Scope scope(abort, close);
  const Watchdog watchdog(io, until, close);
  const auto [result] = co_await socket.async_connect(endpoint, quietly);
  if (watchdog.fired()) co_return asio::error::timed_out;
  co_return result;
}

Task<Dialled> dial(std::string host, std::uint16_t port, bool privateOk, asio::io_context& io, Resolver& resolver,
                   Clock::time_point until, Abort& abort) {
  const std::string where = place(host, port);
  Dialled out;
  Resolved resolved = co_await resolver.lookup(host, until);
  if (resolved.addresses.empty()) {
    out.failure = networkFailure("cannot find the address of " + host + ": " + resolved.problem, resolved.permanent);
    co_return out;
  }
  if (!privateOk) {
    const auto isBad = [](const asio::ip::address& address) { return isPrivate(address); };
    const std::string example = resolved.addresses.front().to_string();
    std::erase_if(resolved.addresses, isBad);
    if (resolved.addresses.empty()) {
      out.failure = networkFailure(host + " leads to " + example +
                                       ", an address inside a private network, which the configuration does not name",
                                   true);
      co_return out;
    }
  }
  std::string why = "no time was left";
  const auto share = (until - Clock::now()) / static_cast<int>(std::min<std::size_t>(resolved.addresses.size(), 3));
  for (const asio::ip::address& address : resolved.addresses) {
    const Clock::time_point now = Clock::now();
    if (abort.aborted() || now >= until) break;
    tcp::socket socket(io);
    const error_code error = co_await dialOne(socket, {address, port}, io, std::min(until, now + share), abort);
    if (!error) {
      error_code ignored;
      socket.native_non_blocking(true, ignored);
      prepare(socket);
      out.socket = std::move(socket);
      co_return out;
    }
    why = error == asio::error::timed_out ? "no answer in time" : error.message();
  }
  out.failure = networkFailure("cannot connect to " + where + ": " + why);
  co_return out;
}

/// Status of an answer's first line; 0 when there is none.
int statusOf(std::string_view head) {
  if (!head.starts_with("HTTP/1.") || head.size() < 12 || head[8] != ' ') return 0;
  int status = 0;
  std::from_chars(head.data() + 9, head.data() + 12, status);
  return status;
}

/// Asks the proxy for a tunnel. Empty message: it stands.
Task<Failure> openTunnel(Wire& wire, const Route& route) {
  std::string ask = "CONNECT " + route.authority() + " HTTP/1.1\r\nHost: " + route.authority() + "\r\n";
  if (!route.proxyAuthorization.empty()) ask += "Proxy-Authorization: " + route.proxyAuthorization + "\r\n";
  ask += "\r\n";
  const std::string proxy = "the proxy " + place(route.proxyHost, route.proxyPort);
  const Wire::Moved sent = co_await wire.writeAll(std::as_bytes(std::span(ask)));
  std::fill(ask.begin(), ask.end(), '\0');
  if (sent.step != Wire::Step::moved) co_return networkFailure(proxy + " closed the connection");
  // Byte by byte, so that nothing is read that belongs to the tunnel.
  std::string head;
  while (!head.ends_with("\r\n\r\n")) {
    std::array<std::byte, 1> one;
    const Wire::Moved moved = co_await wire.read(one);
    if (moved.step != Wire::Step::moved) co_return networkFailure(proxy + " closed the connection");
    head.push_back(static_cast<char>(one[0]));
    if (head.size() > kMaxProxyHead) co_return protocolFailure(proxy + " sent an answer without an end");
  }
  const int status = statusOf(head);
  if (status / 100 == 2) co_return Failure{CSDK_ERROR_NETWORK, {}, false, false};
  if (status == 0) co_return protocolFailure(proxy + " did not answer in HTTP");
  std::string why = proxy + " refused to connect to " + route.authority() + " (HTTP " + std::to_string(status) + ")";
  if (status == 407) why += "; it wants a user and a password in the proxy's URL";
  co_return networkFailure(std::move(why), status / 100 == 4);
}

}  // namespace

std::string Route::authority() const { return place(host, port); }

std::string Route::hostHeader() const {
  const std::string whole = authority();
  return port == (tls ? 443 : 80) ? whole.substr(0, whole.rfind(':')) : whole;
}

Task<Connected> connectTo(const Route& route, asio::io_context& io, Resolver& resolver, WireCounts& counts,
                          Clock::time_point until, Abort& abort) {
  Connected out;
  const bool proxied = !route.proxyHost.empty();
  // The proxy is the user's own setting, so it may be on a private network.
  Dialled dialled = co_await dial(proxied ? route.proxyHost : route.host, proxied ? route.proxyPort : route.port,
                                  proxied || route.privateOk, io, resolver, until, abort);
  if (!dialled.socket) {
    out.failure = std::move(dialled.failure);
    co_return out;
  }
  auto wire = std::make_unique<Wire>(std::move(*dialled.socket), counts);
  if (abort.aborted()) co_return out;
  const auto close = [raw = wire.get()] { raw->close(); };
  const Abort::Scope scope(abort, close);
  const Watchdog watchdog(io, until, close);
  if (proxied) {
    out.failure = co_await openTunnel(*wire, route);
    out.failure.sent = false;
    if (watchdog.fired())
      out.failure = networkFailure("the proxy " + place(route.proxyHost, route.proxyPort) + " did not answer");
  }
  if (out.failure.message.empty() && route.tls) {
    const Wire::TlsOutcome tls = co_await wire->startTls(route.trust, route.host);
    if (watchdog.fired()) {
      out.failure = tlsFailure("the TLS handshake with " + route.authority() + " was not finished in time", false);
    } else if (!tls.problem.empty()) {
      out.failure = tlsFailure("no safe connection to " + route.authority() + ": " + tls.problem, !tls.broken);
    }
  }
  if (out.failure.message.empty() && !abort.aborted()) out.wire = std::move(wire);
  co_return out;
}

}  // namespace computesdk::net
