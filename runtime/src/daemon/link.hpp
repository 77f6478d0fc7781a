#pragma once

#include <computesdk/daemon.hpp>

#include "daemon/json.hpp"
#include "daemon/message_socket.hpp"
#include "daemon/transport.hpp"

#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

namespace computesdk::detail {

/// One call of a daemon's API.
struct DaemonCall {
  std::string what;  ///< for errors: "cannot create a terminal"
  std::string method = "GET";
  std::string target;
  std::string body = {};
  std::optional<std::chrono::milliseconds> timeout = std::chrono::seconds(30);
  std::stop_token stop = {};
};

/// What a sandbox knows of its daemon: where it is, and the connection to it. Made on first use, owned by the sandbox's
/// state. Thread-safe.
class DaemonLink {
 public:
  explicit DaemonLink(SandboxState& sandbox);
  DaemonLink(const DaemonLink&) = delete;
  DaemonLink& operator=(const DaemonLink&) = delete;

  Result<DaemonAddress> ensure(const DaemonOptions& options);
  void forget() noexcept;

  /// Sends a request; a daemon that is gone is started again, once, if nothing was sent. Any status is an answer.
  Result<HttpAnswer> send(const DaemonCall& call);
  /// The same, with a failure for what is not 2xx. An answer without a body is an absent document.
  Result<std::optional<JsonDocument>> ask(const DaemonCall& call);
  [[nodiscard]] MessageSocket& socket() noexcept { return *socket_; }

 private:
  struct Reached {
    DaemonAddress address;
    std::shared_ptr<Transport> transport;
  };
  Result<Reached> reach(const DaemonOptions& options);
  Result<std::shared_ptr<Transport>> transportTo(const DaemonAddress& address, const std::stop_token& stop);
  Result<std::unique_ptr<Socket>> open(const SocketEvents& events, const std::stop_token& stop, bool start);

  SandboxState& sandbox_;
  std::mutex starting_;  ///< held while the sandbox is asked, so that one call does it
  std::mutex mutex_;     ///< guards reached_
  std::optional<Reached> reached_;
  std::unique_ptr<MessageSocket> socket_;
};

/// The failure that an answer other than 2xx means.
ErrorInfo daemonFailure(const SandboxState& sandbox, const std::string& what, const HttpAnswer& answer);

}  // namespace computesdk::detail
