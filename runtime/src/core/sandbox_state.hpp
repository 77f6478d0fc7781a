#pragma once

#include <computesdk/registry/provider.hpp>
#include <computesdk/sandbox.hpp>

#include "core/setup.hpp"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

namespace computesdk::detail {

using Deadline = std::optional<std::chrono::steady_clock::time_point>;

/// How long control operations (inspect, url, a signal, …) may take, and those that may boot a machine.
inline constexpr std::chrono::seconds kControlTime{60};
inline constexpr std::chrono::minutes kBootTime{15};
Deadline deadlineIn(std::chrono::milliseconds time) noexcept;

/// Writes "xxxxxxxxyyyyyyyy" (a number of this process, a number of the call) for logs and errors.
using RequestId = char[17];
void nextRequestId(RequestId& out) noexcept;

class DaemonLink;

/// A name in the store of names, or at the provider.
struct Naming {
  std::string name;
  std::string namespace_;
  std::string parentId;
  bool inStore = false;
};

/// What all handles of one sandbox share: where it is, its newest token, and the one way to call its provider.
/// Thread-safe. When the last handle goes, the provider is told so.
class SandboxState : public std::enable_shared_from_this<SandboxState> {
 public:
  SandboxState(std::shared_ptr<Setup> setup, std::shared_ptr<registry::Provider> provider,
               registry::SandboxRecord record, Naming naming);
  /// The handle that users hold.
  static Sandbox handle(std::shared_ptr<SandboxState> state, bool owned);
  SandboxState(const SandboxState&) = delete;
  SandboxState& operator=(const SandboxState&) = delete;
  ~SandboxState();

  [[nodiscard]] const std::string& id() const noexcept { return id_; }
  [[nodiscard]] registry::Provider& provider() const noexcept { return *provider_; }
  [[nodiscard]] const registry::ProviderFeatures& features() const noexcept { return provider_->features(); }
  [[nodiscard]] Setup& setup() const noexcept { return *setup_; }
  [[nodiscard]] const Naming& naming() const noexcept { return naming_; }
  [[nodiscard]] SandboxInfo info() const;
  [[nodiscard]] std::string token() const;
  void setDefaultLanguage(std::string language) { defaultLanguage_ = std::move(language); }
  [[nodiscard]] const std::string& defaultLanguage() const noexcept { return defaultLanguage_; }
  /// From now on its tokens are kept on disk.
  void remember(bool on) noexcept { remembered_ = on; }

  /// Calls `operation(target, context)` and returns what it returns. A sandbox that turns out to be stopped is attached
  /// and the operation is done once more; nothing else is ever repeated. `wake`: whether that is wanted.
  template <typename F>
  auto call(const std::stop_token& stop, Deadline deadline, F&& operation, bool wake = true) {
    std::uint64_t seen = attachCount_.load(std::memory_order_acquire);
    auto result = callOnce(stop, deadline, operation);
    if (wake && !result && result.error().code == ErrorCode::sandboxStopped && features().attach) {
      if (auto awake = this->wake(seen, stop); !awake) return decltype(result)(std::move(awake).error());
      result = callOnce(stop, deadline, operation);
    }
    return result;
  }

  /// Runs a command; `output` takes what it writes. `request` is as the registry has it.
  Result<ExitStatus> exec(const registry::ExecRequest& request, const registry::OutputFunction& output,
                          const std::stop_token& stop, Deadline deadline);
  /// An argv, its output as text, and no patience for more than `kControlTime`.
  struct ToolResult {
    int exitCode = 0;
    std::string out;
    std::string err;
  };
  Result<ToolResult> tool(std::span<const std::string> argv, const std::stop_token& stop);

  Result<void> attach(const std::stop_token& stop);
  /// Asks the provider for the facts.
  Result<SandboxInfo> refresh(const std::stop_token& stop);
  Result<SandboxInfo> extend(std::chrono::milliseconds duration, const std::stop_token& stop);
  /// pause or resume.
  using LifeCall = Result<registry::SandboxRecord> (registry::Provider::*)(const registry::Target&,
                                                                           const registry::CallContext&);
  Result<void> changeLife(LifeCall operation, const std::stop_token& stop);
  Result<void> destroy(const std::stop_token& stop, std::chrono::milliseconds patience = kControlTime);
  [[nodiscard]] bool destroyed() const noexcept { return destroyed_.load(std::memory_order_acquire); }
  /// A destructor's way: bounded, silent, and the failure is kept for reap.
  void destroyWithin(std::chrono::milliseconds patience) noexcept;
  [[nodiscard]] std::string nextCommandId();
  /// What is known of the sandbox's daemon; made with the first call.
  [[nodiscard]] DaemonLink& daemon();

 private:
  template <typename F>
  auto callOnce(const std::stop_token& stop, Deadline deadline, F& operation) {
    RequestId request;
    nextRequestId(request);
    const std::uint64_t number = callNumber_.fetch_add(1, std::memory_order_relaxed) + 1;
    registry::CallContext context;
    context.stop = stop;
    context.deadline = deadline;
    context.requestId = request;
    context.onToken = [this, number](std::string_view token) { takeToken(token, number); };
    const std::shared_ptr<const registry::Target> target = this->target();
    auto result = operation(*target, context);
    if (!result) {
      complete(result.error(), request);
    } else if constexpr (std::is_same_v<decltype(result), Result<registry::SandboxRecord>>) {
      update(*result, number);
    }
    if (tokenChanged_.load(std::memory_order_acquire)) saveToken();
    return result;
  }
  [[nodiscard]] std::shared_ptr<const registry::Target> target() const;
  void takeToken(std::string_view token, std::uint64_t callNumber);
  /// Takes over what the provider said: newer token, newer facts.
  void update(const registry::SandboxRecord& record, std::uint64_t callNumber);
  void completeInfo();  ///< with mutex_ held, or before anybody else has this
  void saveToken() noexcept;
  void complete(ErrorInfo& error, std::string_view request) const;
  Result<void> wake(std::uint64_t seen, const std::stop_token& stop);
  void forgetEverywhere() noexcept;
  void leaveDaemon() noexcept;

  const std::shared_ptr<Setup> setup_;
  const std::shared_ptr<registry::Provider> provider_;
  const std::string id_;
  const Naming naming_;
  std::string defaultLanguage_;  ///< written before the state is shared
  std::atomic<bool> remembered_{false};
  std::atomic<bool> tokenChanged_{false};
  std::atomic<bool> destroyed_{false};
  std::atomic<std::uint64_t> callNumber_{0};
  std::atomic<std::uint64_t> commandNumber_{0};
  std::atomic<std::uint64_t> attachCount_{0};

  mutable std::mutex mutex_;  ///< guards all below
  std::condition_variable_any attachDone_;
  bool attaching_ = false;
  std::shared_ptr<const registry::Target> target_;
  std::uint64_t tokenNumber_ = 0;  ///< of the call that the token came with
  std::uint64_t infoNumber_ = 0;
  SandboxInfo info_;
  std::shared_ptr<DaemonLink> daemon_;
};

/// What a provider can do, for people.
Capabilities capabilitiesOf(const registry::Provider& provider, bool namedStore);

/// The record by which SandboxMemory knows it.
RememberedSandbox rememberedFrom(const std::string& provider, const registry::SandboxRecord& record,
                                 const Naming& naming);

}  // namespace computesdk::detail
