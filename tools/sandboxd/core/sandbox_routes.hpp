// The sandboxes of a daemon as things that answer: a context, its rooms, and the router they registered with.
#pragma once

#include <chrono>
#include <computesdk/serving/router.hpp>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "core/context.hpp"

namespace computesdk::sandboxd {

/// Bytes of a body that somebody may send of whom nobody knows who he is.
inline constexpr std::size_t kOpenBody = 4096;

/// Builds one room.
using RoomBuilder = std::function<void(serving::Router&, Context&)>;

struct SandboxInstance;

/// What a request carries in Request::context: who asks, and what must live as long as the request.
struct RequestOwner {
  Identity identity;
  std::shared_ptr<SandboxInstance> instance;
};

/// Sandboxes that the server can route to. Requests below /s/NAME/ belong to the child NAME, others to the main one.
class RoutedSandboxes final : public Sandboxes {
 public:
  /// Registers itself as shared.sandboxes. The main sandbox is built by open().
  RoutedSandboxes(Shared& shared, std::vector<RoomBuilder> rooms);
  ~RoutedSandboxes() override;
  RoutedSandboxes(const RoutedSandboxes&) = delete;
  RoutedSandboxes& operator=(const RoutedSandboxes&) = delete;

  /// Builds the main sandbox on Config::workingDirectory.
  Context& open();
  /// For serving::Server::select: the router of a request, whose path loses the prefix of a child.
  serving::Router& route(serving::Request& request);
  /// Closes all sandboxes, the main one last. Blocks; not on the loop's thread.
  void stop();

  Result<std::shared_ptr<Context>> add(const std::string& subdomain, const std::string& directory) override;
  bool remove(const std::string& subdomain) override;
  [[nodiscard]] std::shared_ptr<Context> find(const std::string& subdomain) const override;
  [[nodiscard]] std::vector<std::shared_ptr<Context>> all() const override;

 private:
  std::shared_ptr<SandboxInstance> build(const std::string& subdomain, const std::string& directory, bool isMain);

  Shared& shared_;
  const std::vector<RoomBuilder> rooms_;
  serving::Router unknown_;  ///< answers 404 for children that are not there
  mutable std::mutex mutex_;
  std::shared_ptr<SandboxInstance> main_;
  std::vector<std::shared_ptr<SandboxInstance>> children_;
  std::vector<std::pair<std::chrono::steady_clock::time_point, std::shared_ptr<SandboxInstance>>> retired_;
};

}  // namespace computesdk::sandboxd
