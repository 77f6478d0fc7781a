#pragma once

#include "handshake.hpp"
#include "open_provider.hpp"
#include "opening.hpp"

#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <unordered_map>
#include <vector>

namespace computesdk::registry::net {
class RemoteHttp;
}

namespace computesdk::registry::host {

/// What it takes to start the plug-in's process again and again.
struct RemoteSettings {
  std::shared_ptr<const Manifest> manifest;
  std::filesystem::path program;
  LibraryFile library;  ///< descriptor: of `keptLibrary`, or -1
  UniqueFd keptLibrary;
  ResolvedConfig config;  ///< without the secrets, which are in `args`
  std::optional<ConfigArgs> args;
};

/// A provider in a process of its own. One thread reads and starts the process; every call is sent by its caller.
/// Thread-safe.
class RemoteBackend final : public ProviderBackend {
 public:
  RemoteBackend(std::unique_ptr<RemoteSettings> settings, HostContext& host);
  ~RemoteBackend() override;

  /// Waits for the first start. Errors: why the library or the configuration was refused.
  Result<RemoteHello> open();

  csdk_status start(Op op, csdk_call call, const void* args) override;
  void taken(csdk_call call, std::size_t bytes) override;
  void givenUp(csdk_call call) override;
  void close() override;

 private:
  enum class State { down, ready, quarantined, closed };

  /// One call that the process has. Made by its caller, ended by the thread that reads.
  struct RemoteCall {
    RemoteBackend* owner;
    csdk_call call;
    const csdk_source* source = nullptr;
    bool sent = false, cancelWanted = false, givenUp = false;
    std::int64_t outstanding = 0;  ///< pushed and not yet credited
    std::size_t toCredit = 0;
    std::int64_t inputCredit = kInputWindow;
    bool inputEnded = false;
    std::shared_ptr<net::RemoteHttp> http = {};  ///< made with the first request

    ~RemoteCall();
  };

  // --- on any thread
  csdk_status awaitReady(std::unique_lock<std::mutex>& lock, CallSlot& slot);
  bool sendLocked(std::string frame);
  void wake() noexcept;
  static void wakeWaiters(void* backend);
  static void cancelRemote(void* remoteCall);
  static void inputReady(void* remoteCall);

  // --- on the thread that reads
  void loop();
  bool waitForWork();
  void startProcess();
  std::optional<ErrorInfo> openRemote(RemoteLink& link, RemoteHello& hello);
  void startFailed(ErrorInfo error);
  void serveSocket();
  bool handle(const Frame& frame);
  bool handleOutput(const Frame& frame);
  bool handleResult(const Frame& frame);
  bool handleComplete(const Frame& frame);
  bool handleInputCredit(const Frame& frame);
  bool handleHttp(const Frame& frame);
  bool weigh(csdk_call call, std::size_t bytes);
  RemoteCall* find(csdk_call call);
  void pumpReady();
  void pump(RemoteCall& call);
  bool hangs();
  void died(std::string_view cause);
  void farewell(RemoteLink& link);
  std::int64_t countDeath();

  const std::unique_ptr<RemoteSettings> settings_;
  HostContext& host_;
  UniqueFd wakeFd_;

  std::mutex mutex_;
  std::condition_variable changed_;
  State state_ = State::down;
  bool wantStart_ = false, closing_ = false;
  bool opened_ = false;             ///< it has run at least once
  std::optional<RemoteLink> link_;  ///< set and reset by the reading thread alone
  std::unordered_map<csdk_call, std::unique_ptr<RemoteCall>> calls_;
  std::vector<csdk_call> readable_;
  std::size_t hung_ = 0;  ///< calls that were given up and that the process still has
  RemoteHello hello_;
  std::uint64_t failedStarts_ = 0;
  std::optional<ErrorInfo> lastError_;
  std::deque<std::int64_t> deathTimes_;
  std::int64_t nextStartNs_ = 0, backoffNs_ = 0;
  std::thread thread_;
};

}  // namespace computesdk::registry::host
