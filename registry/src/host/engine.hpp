#pragma once

#include "call.hpp"
#include "host_context.hpp"
#include "lane_pool.hpp"
#include "operations.hpp"
#include "serial_gate.hpp"

#include <computesdk/registry/manifest.hpp>

#include <memory>
#include <string_view>

namespace computesdk::registry::host {

/// Where operations go: a plug-in's table in this process, or a process of its own.
class Backend : public CallListener {
 public:
  /// Begins an operation. As a slot of csdk_plugin: the status, or CSDK_PENDING.
  virtual csdk_status start(Op op, csdk_call call, const void* args) = 0;
};

struct EngineOptions {
  bool inlineCalls = false;  ///< start runs on the caller's thread
  bool queued = false;       ///< output waits for the caller's thread instead of running on the plug-in's
  /// The plug-in reads its arguments after start returned. Then they are copied, unless start runs inline and blocks.
  bool lendsArgs = true;
  Serialize serialize = Serialize::none;
  PoolLimits pool;
  std::int64_t graceNs = 5'000'000'000;  ///< after cancellation or deadline, before a call is given up
};

/// How a call ended.
struct CallEnd {
  csdk_status status = CSDK_OK;
  bool abandoned = false;   ///< given up; the plug-in may still be at it
  bool notStarted = false;  ///< the plug-in never saw it
  CallFailure failure;      ///< with a negative status
};

/// Runs one provider's calls from begin to end. Thread-safe.
class Engine {
 public:
  Engine(HostContext& host, Backend& backend, EngineOptions options);

  /// Blocks until the call is over or given up. `args` is the operation's struct, whose source, if it has one, becomes
  /// `input`. Rethrows what the sink threw.
  CallEnd run(Op op, void* args, CallSink& sink, InputSource* input, const CallContext& context);

  /// Calls that were given up and whose threads have not come back.
  [[nodiscard]] std::size_t stuck() const { return pool_ ? pool_->stuck() : 0; }

 private:
  struct Running;

  [[nodiscard]] bool copies() const noexcept {
    return options_.lendsArgs && !(options_.inlineCalls && !options_.queued);
  }
  void runGated(CallEnd& end, Op op, void* args, CallSink& sink, InputSource* input, const CallContext& context,
                std::string_view gateKey);
  bool begin(Running& running, Op op, void* args, InputSource* input);
  void await(Running& running);
  void giveUp(Running& running);

  HostContext& host_;
  Backend& backend_;
  const EngineOptions options_;
  std::shared_ptr<SerialGate> gate_;
  std::unique_ptr<LanePool> pool_;
};

}  // namespace computesdk::registry::host
