#pragma once

#include <computesdk/result.hpp>
#include <computesdk/serving/loop.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/context.hpp"
#include "servers/listening_ports.hpp"
#include "servers/managed_server.hpp"

namespace computesdk::sandboxd {

/// The supervised servers of one sandbox. Loop's thread only, but for stopAll. `context.find<Servers>()` gives it to
/// other rooms.
class Servers : public std::enable_shared_from_this<Servers> {
 public:
  explicit Servers(Context& context) : context_(context) {}
  Servers(const Servers&) = delete;
  Servers& operator=(const Servers&) = delete;

  /// Keeps a slug for a server that is being prepared. E_CONFLICT when a live server or another preparation has it,
  /// E_RESOURCE_EXHAUSTED when there are too many.
  Result<void> reserve(const std::string& slug);
  void release(const std::string& slug) { reserved_.erase(slug); }
  /// Puts a prepared server in the place that was reserved for it, or that one of the same slug held, and starts it if
  /// `start`. Its port becomes the next free one when it is taken; E_CONFLICT with strict_port, and the reservation
  /// stays.
  Result<std::shared_ptr<ManagedServer>> add(ServerSpec spec, bool start);

  [[nodiscard]] std::shared_ptr<ManagedServer> find(std::string_view slug) const;
  /// Oldest first.
  [[nodiscard]] const std::vector<std::shared_ptr<ManagedServer>>& all() const { return servers_; }
  /// Forgets a server that has stopped.
  void remove(const std::shared_ptr<ManagedServer>& server) { std::erase(servers_, server); }
  void restart(const std::shared_ptr<ManagedServer>& server, std::function<void()> then);

  /// Kills all and starts none anymore; returns when nothing runs or ten seconds are over. Any thread but the loop's.
  void stopAll();

 private:
  [[nodiscard]] std::optional<std::uint16_t> freePort(std::uint16_t from, bool strict, std::string_view slug) const;
  void watchPorts();
  void scan();
  void scanned();

  Context& context_;
  std::vector<std::shared_ptr<ManagedServer>> servers_;
  std::set<std::string, std::less<>> reserved_;
  bool scanning_ = false;
  bool closed_ = false;
  PortScanner scanner_;
  serving::Timer scanTimer_;
};

}  // namespace computesdk::sandboxd
