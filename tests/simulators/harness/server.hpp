#pragma once

#include "stream.hpp"

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_set>
#include <utility>
#include <vector>

// A small HTTP/1.1 and WebSocket server for tests and for the vendors' simulators. Written by hand, so that it shares
// no parser, and no mistake, with the client under test, has a say over every byte, and can be told to fail.
namespace computesdk::simulators {

using Headers = std::vector<std::pair<std::string, std::string>>;

struct Request {
  std::string method, target, path;          ///< path without the query, percent-encoding as it came
  std::map<std::string, std::string> query;  ///< decoded
  Headers headers;                           ///< names in lower case
  std::string body;
  std::vector<std::string> parts;  ///< what the stars of the route matched, decoded

  [[nodiscard]] std::string header(std::string_view lowerName) const;  ///< empty when there is none
};

/// One WebSocket, server side. One thread may receive while others send.
class WebSocket {
 public:
  struct Message {
    bool text = false;
    std::string data;
  };
  /// `ending` is called once, before the peer can see the end.
  WebSocket(Stream& stream, std::string early, std::function<void()> ending)
      : stream_(stream), buffer_(std::move(early)), ending_(std::move(ending)) {}

  /// The next message, pings answered on the way. Nothing: the peer closed (closeCode, closeReason) or is gone (1006).
  std::optional<Message> receive();
  bool send(std::string_view data, bool text = false, bool final = true, bool continuation = false);
  bool ping(std::string_view data);
  void close(int code, std::string_view reason = {});

  int closeCode = 0;
  std::string closeReason;
  int pongs = 0;

 private:
  bool fill(std::size_t bytes);
  bool frame(int opcode, std::string_view data, bool final);

  Stream& stream_;
  std::string buffer_;
  std::function<void()> ending_;
  std::mutex mutex_;
  std::atomic<bool> closed_{false};
};

/// One request being answered, on the thread of its connection.
class Exchange {
 public:
  /// `beginning` is called once, before the peer can see anything of the answer, `ending` before it can see its end.
  Exchange(Stream& connection, std::string& early, std::function<void()> beginning, std::function<void()> ending)
      : stream(connection), early_(early), beginning_(std::move(beginning)), ending_(std::move(ending)) {}

  Request request;
  Stream& stream;

  /// The whole answer.
  void respond(int status, std::string_view body = {}, std::string_view contentType = "application/json",
               const Headers& headers = {});
  /// An answer in pieces: chunked, or of a length that is known.
  void begin(int status, std::string_view contentType, const Headers& headers = {}, std::int64_t length = -1);
  bool chunk(std::string_view data);  ///< false: the peer is gone
  void end();
  /// Of a route that streams: the next piece of the request's body; nothing at its end.
  std::optional<std::string> bodyPiece();
  /// After that: it came whole. Otherwise the peer has gone.
  [[nodiscard]] bool bodyComplete() const noexcept { return bodyDone_; }
  /// Hands over all that the peer sends from now on, the body first, until it ends or `sink` says false: for one who
  /// carries the connection on to somebody else.
  void carryInput(const std::function<bool(std::string_view)>& sink);
  /// Accepts the upgrade.
  std::unique_ptr<WebSocket> upgrade(std::string_view subprotocol = {});

  // --- faults
  void raw(std::string_view bytes) { ends(), stream.write(bytes), close = true; }
  void reset() { ends(), stream.reset(), close = true; }
  void cut() { ends(), stream.close(), close = true; }

  bool close = false;  ///< the connection ends with this answer

 private:
  friend class Server;
  void begins();
  void ends();
  bool writeHead(const std::string& head);
  void endWithFault();
  bool fill();
  bool takeLine(std::string& line);
  bool readHead();
  bool readBody();
  std::optional<std::string> take(std::size_t most);

  std::string& early_;  ///< read from the connection and not used yet
  std::function<void()> beginning_, ending_;
  std::int64_t bodyLeft_ = 0;
  std::int64_t breakAfter_ = -1, truncateLeft_ = -1;
  bool breakWithReset_ = false, quietClose_ = false;
  int status_ = 0;
  bool sized_ = false;
  bool chunkedBody_ = false, bodyDone_ = false, answered_ = false, upgraded_ = false;
};

/// What goes wrong with the next `times` requests that match.
struct Fault {
  std::string path;         ///< the path begins with it; with a star in it: a pattern as of Server::route
  std::string method = {};  ///< empty: any
  int times = 1;            ///< below 0: for good
  int skip = 0;             ///< matching requests that are let through first

  int delayMs = 0;  ///< before anything

  // In place of the answer, which is not even worked out:
  int status = 0;
  std::string body = "{\"message\":\"fault\"}", contentType = "application/json";  ///< of `status`
  Headers headers = {};                                                            ///< of `status`
  std::string retryAfter = {};                                                     ///< header of `status`
  bool reset = false;                                                              ///< a reset
  bool cut = false;                                                                ///< an orderly end
  bool garbage = false;                                                            ///< bytes that are no HTTP

  // Of the real answer, so the request has taken effect:
  bool appliedThenReset = false;  ///< a reset in place of its first byte
  std::int64_t resetAfter = -1;   ///< a reset after so many bytes of the body, at the latest with its end
  std::int64_t cutAfter = -1;     ///< the same with an orderly end
  std::int64_t truncate = -1;     ///< the body has only so many bytes, by a head that says so
  std::int64_t slowBytes = 0;     ///< sent in pieces of this size …
  int slowMs = 20;                ///< … with this pause after each
  bool close = false;             ///< the connection ends after the answer, unannounced
};

struct ServerOptions {
  std::string certificateFile = {}, keyFile = {};  ///< PEM; empty: no TLS
  std::size_t maxRequestsPerConnection = 1000000;
  std::uint16_t port = 0;  ///< 0: a free one
};

/// What was asked since the start or the last forgetRequests, but for the control paths (kControlPrefix).
struct ServerStats {
  std::uint64_t requests = 0, connections = 0, bytesIn = 0, bytesOut = 0;
};

/// One request that was answered, for tests that look at what a client sends.
struct RequestRecord {
  std::uint64_t number = 0;
  std::string method, target;
  Headers headers;
  std::string body;  ///< the first 64 KiB, unless the route reads the body itself
  int status = 0;    ///< 0: no answer
};

/// Paths below it are neither counted nor failed.
inline constexpr std::string_view kControlPrefix = "/_sim/";

/// Serves on a port of 127.0.0.1, one thread a connection. Thread-safe.
class Server {
 public:
  using Handler = std::function<void(Exchange&)>;

  explicit Server(ServerOptions options = {});
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// Routes are matched in order. A star stands for one segment of the path, two for the rest. `streamed`: the handler
  /// reads the body itself. What a handler throws is answered with 500.
  void route(std::string method, std::string pattern, Handler handler, bool streamed = false);
  /// Asked before the routes, once the head is read. True: it has answered.
  void intercept(std::function<bool(Exchange&)> handler);
  /// Faults are tried in order; the first that matches is used up.
  void fault(Fault fault);
  void clearFaults();
  /// Ends all connections but one, for example those that wait for another request. Nothing that is sent on them is
  /// read after it returned.
  void dropConnections(const Stream& kept);

  [[nodiscard]] std::uint16_t port() const noexcept { return port_; }
  [[nodiscard]] std::string url() const;
  [[nodiscard]] std::uint64_t connections() const noexcept { return connections_; }
  [[nodiscard]] std::uint64_t requests() const noexcept { return requests_; }
  /// Both know of every request of whose answer a peer may have seen something; bytes are those of ended answers.
  [[nodiscard]] ServerStats stats() const;
  [[nodiscard]] std::vector<RequestRecord> recentRequests() const;
  [[nodiscard]] std::vector<Fault> faults() const;
  /// Zeroes stats and forgets the recent requests.
  void forgetRequests();

  static bool matches(std::string_view pattern, std::string_view path, std::vector<std::string>& parts);

 private:
  struct Route {
    std::string method, pattern;
    Handler handler;
    bool streamed;
  };

  struct Connection {
    std::thread thread;
    std::atomic<bool> done{false};
  };

  void accept();
  void sweep();
  void serve(int fd);
  std::unique_lock<std::mutex> settled() const;
  bool serveOne(Exchange& exchange);
  bool failed(Exchange& exchange);
  bool answer(Exchange& exchange);
  void record(const Exchange& exchange);
  std::optional<Fault> takeFault(const Request& request);
  static bool applyFault(Exchange& exchange, const Fault& fault);
  std::shared_ptr<const Route> find(Request& request);

  const ServerOptions options_;
  SSL_CTX* tls_ = nullptr;
  int listener_ = -1, stop_ = -1;
  std::uint16_t port_ = 0;
  std::atomic<std::uint64_t> connections_{0}, requests_{0};
  mutable std::mutex mutex_;
  std::vector<std::shared_ptr<const Route>> routes_;
  std::function<bool(Exchange&)> interceptor_;
  std::vector<Fault> faults_;
  mutable std::condition_variable recorded_;
  int ending_ = 0;  ///< answers whose end was sent, or is about to be, and that are not recorded yet
  ServerStats stats_;
  std::deque<RequestRecord> recent_;
  std::unordered_set<int> open_;
  std::list<Connection> serving_;
  std::thread acceptor_;
};

std::string percentDecoded(std::string_view text);

}  // namespace computesdk::simulators
