#pragma once

#include <computesdk/serving/message.hpp>
#include <computesdk/serving/reply.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace computesdk::serving {

/// Answers at once.
using Handler = std::function<Response(const Request& request)>;
/// Answers by `reply`, now or later.
using AsyncHandler = std::function<void(Request request, Reply reply)>;
/// Looks at a request before its route's handler; a Response is sent in place of it. May rewrite `request`.
using Hook = std::function<std::optional<Response>(Request& request)>;

/// Where a route's handler runs, and what it takes.
struct Route {
  std::string method;
  std::string pattern;
  bool blocking = false;                 ///< on the worker pool
  bool streamsBody = false;              ///< called at the end of the head; see Reply::readBody
  bool hooks = true;                     ///< do before() and beforeBlocking() apply?
  bool asItIs = false;                   ///< see raw()
  std::optional<std::uint64_t> maxBody;  ///< bytes; in place of the server's limit
  Handler handler;                       ///< one of these two
  AsyncHandler asyncHandler;

  /// Up to so many bytes of body; more is answered with 413.
  Route& bodyLimit(std::uint64_t bytes);
  /// Body by Reply::readBody instead of in Request::body, of any length unless bodyLimit() says. Only for asynchronous
  /// handlers.
  Route& streamBody();
  /// Serves without the hooks (health checks, open pages).
  Route& open();
  /// The answer goes out as it is: no CORS, security or further headers of the server (for proxies).
  Route& raw();
};

/// Routes by method and pattern, over the path as it was sent: `//` and `%2F` keep their meaning. A pattern is literal
/// text with segments `:name` (one segment, not empty, decoded once) and at its end `/**` (all that follows the slash,
/// undecoded, may be empty). A literal segment wins over `:name`, which wins over `**`. Method "*" takes every method
/// that has no route of its own there; HEAD is served by GET where it has none. Unknown paths are answered with 404,
/// known ones with another method with 405 and Allow. Build it before the server starts; afterwards it is only read.
class Router {
 public:
  Router();
  ~Router();
  Router(Router&&) noexcept;
  Router& operator=(Router&&) noexcept;

  /// Answered on the loop's thread: `handler` must not block. A handler that throws is answered with 500.
  Route& on(std::string method, std::string pattern, Handler handler);
  /// Answered on the worker pool: may block. A full queue is answered with 503 and Retry-After.
  Route& onBlocking(std::string method, std::string pattern, Handler handler);
  /// Called on the loop's thread, answered by Reply.
  Route& onAsync(std::string method, std::string pattern, AsyncHandler handler);
  /// Called on the worker pool, answered by Reply.
  Route& onBlockingAsync(std::string method, std::string pattern, AsyncHandler handler);

  /// Hooks in the order of their registration. before(): on the loop's thread, for every route with hooks, before its
  /// body is read. beforeBlocking(): on the worker pool, before handlers that run there.
  void before(Hook hook);
  void beforeBlocking(Hook hook);
  /// Calls that answer what no route takes, in place of the 404.
  void fallback(AsyncHandler handler);

  /// What serves a request.
  struct Match {
    const Route* route = nullptr;                               ///< null: none
    std::vector<std::pair<std::string, std::string>> captures;  ///< as Request::captures
    bool badEncoding = false;                                   ///< a captured segment cannot be decoded: 400
    std::string allow;                                          ///< methods of the path, when only the method is wrong
  };
  [[nodiscard]] Match match(std::string_view method, std::string_view path) const;
  /// Every "METHOD pattern", sorted: what a check of the documentation reads.
  [[nodiscard]] std::vector<std::string> patterns() const;
  [[nodiscard]] const std::vector<Hook>& hooks() const noexcept;
  [[nodiscard]] const std::vector<Hook>& blockingHooks() const noexcept;
  [[nodiscard]] const AsyncHandler& fallbackHandler() const noexcept;

 private:
  struct Tree;
  std::unique_ptr<Tree> tree_;
};

}  // namespace computesdk::serving
