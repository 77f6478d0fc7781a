#pragma once

#include <computesdk/serving/byte_stream.hpp>
#include <computesdk/serving/proxy.hpp>
#include <computesdk/serving/router.hpp>

#include "access/access_tokens.hpp"
#include "access/api_keys.hpp"
#include "proxy/addresses.hpp"
#include "sandboxes/live.hpp"

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace computesdk::gateway {

class TlsDialler;

/// Passes requests on to the daemons and ports of sandboxes. For the daemon, an access token is checked here and
/// replaced by the daemon's own; what else a client sends as a token is the daemon's to judge. Ports get what the
/// client sent, without the gateway's own headers. Lives on the loop's thread; `warm` may be called from any.
class SandboxProxy {
 public:
  struct Parts {
    serving::Loop& loop;
    LiveSandboxes& live;
    const AccessTokens& tokens;
    const ApiKeys& keys;
    std::string extraAuthorities;  ///< PEM file, trusted beside the system's; empty: none
    /// Runs a function that blocks; false when there is no room for it.
    std::function<bool(std::function<void()>)> work;
  };
  explicit SandboxProxy(Parts parts);
  ~SandboxProxy();
  SandboxProxy(const SandboxProxy&) = delete;
  SandboxProxy& operator=(const SandboxProxy&) = delete;

  /// /s/ID/… and /s/ID/p/PORT/….
  void addPathRoutes(serving::Router& router);
  /// Everything, for requests whose host names a sandbox of `domain`.
  void addHostRoutes(serving::Router& router, std::string domain);
  /// A request was answered with 502: if it was for a daemon, that may have died.
  void suspect(const serving::Request& request, const std::string& domain);
  /// Starts the sandbox's daemon before somebody asks for it.
  void warm(const std::string& id);

 private:
  using Key = std::pair<std::string, std::uint16_t>;
  using Found = std::function<void(const Result<TargetPtr>& target)>;
  struct Idle {
    serving::StreamPtr stream;
    std::chrono::steady_clock::time_point since;
  };

  void serve(serving::Request request, serving::Reply reply, SandboxAddress address);
  void find(const Key& key, Found found);
  void forward(serving::Request request, serving::Reply reply, const SandboxAddress& address, const TargetPtr& target,
               bool mayRetry);
  void connect(const TargetPtr& target, serving::DialHandler handler);
  void pass(serving::Request request, serving::Reply reply, const SandboxAddress& address, const TargetPtr& target,
            serving::StreamPtr stream, bool pooled, bool mayRetry);
  serving::ProxyOptions optionsFor(const serving::Request& request, const SandboxAddress& address,
                                   const Target& target);
  /// What stands for a token of the client's in what the daemon gets.
  [[nodiscard]] std::string daemonToken(std::string_view given, const Target& target) const;
  serving::StreamPtr takeIdle(const std::string& id);
  void keepIdle(const std::string& id, serving::StreamPtr stream);
  void dropStale();

  const Parts parts_;
  std::unique_ptr<TlsDialler> tls_;
  std::map<Key, std::vector<Found>> waiting_;
  std::map<std::string, std::vector<Idle>> idle_;
  serving::Timer sweep_;
};

}  // namespace computesdk::gateway
