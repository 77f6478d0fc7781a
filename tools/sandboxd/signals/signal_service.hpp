#pragma once

#include <sys/types.h>

#include <computesdk/serving/loop.hpp>
#include <cstdint>
#include <memory>
#include <set>
#include <string>

#include "core/context.hpp"
#include "servers/listening_ports.hpp"

namespace computesdk::sandboxd {

/// Tells whoever listens to the channel `signals` of ports that open and close, and of what programs report. While it
/// is stopped nothing is told. Loop's thread only.
class SignalService : public std::enable_shared_from_this<SignalService> {
 public:
  static constexpr const char* kChannel = "signals";

  explicit SignalService(Context& context) : context_(context) {}
  SignalService(const SignalService&) = delete;
  SignalService& operator=(const SignalService&) = delete;

  /// Begins to look for ports; those that are open already are told first. Twice is harmless.
  void start();
  void stop();
  [[nodiscard]] bool active() const { return active_; }

  /// `type` is "open" or "close".
  void tellPort(int port, std::string_view type, std::string_view url);
  void tellServerReady(int port, std::string_view url);
  void tellError(std::string_view message);

 private:
  struct Seen {
    SocketPorts sockets;            ///< all of the machine
    std::set<std::uint16_t> ports;  ///< those of the sandbox
  };

  void lookLater();
  void look();
  void seen(Seen now);

  Context& context_;
  bool active_ = false;
  std::uint64_t round_ = 0;  ///< of start(): what an earlier one still finds out does not count
  Seen seen_;
  serving::Timer timer_;
};

}  // namespace computesdk::sandboxd
