#include "engine.hpp"

#include "net/http_call.hpp"
#include "source_bridge.hpp"
#include "timer.hpp"

#include <chrono>
#include <optional>
#include <stop_token>
#include <utility>

namespace computesdk::registry::host {
namespace {

struct CancelCall {
  CallSlot* slot;
  void operator()() const { slot->cancel(); }
};

std::int64_t deadlineOf(const CallContext& context) {
  if (!context.deadline) return 0;
  const auto ns = std::chrono::duration_cast<std::chrono::nanoseconds>(context.deadline->time_since_epoch()).count();
  return ns > 0 ? ns : 1;
}

/// The sandbox that a call is about; empty for none.
std::string_view sandboxOf(Op op, const void* args) {
  if (op == Op::processStart) return view(static_cast<const csdk_process_start_args*>(args)->exec->target.id);
  return opInfo(op).targetsSandbox ? view(static_cast<const csdk_target_args*>(args)->target.id) : std::string_view{};
}

/// The token of the sandbox that a call is about.
std::string_view sandboxTokenOf(Op op, const void* args) {
  if (op == Op::processStart) return view(static_cast<const csdk_process_start_args*>(args)->exec->target.token);
  return opInfo(op).targetsSandbox ? view(static_cast<const csdk_target_args*>(args)->target.token)
                                   : std::string_view{};
}

/// Puts `source` where the struct, or the one nested in it, has its source.
void setSource(const StructInfo& info, void* args, const csdk_source* source) {
  for (const Field& field : info.fields) {
    if (field.kind == FieldKind::source) *fieldOf<const csdk_source*>(args, field) = source;
  }
}

}  // namespace

/// One call on its owner's stack.
struct Engine::Running {
  CallSlot* slot = nullptr;
  Lane lane = Lane::streams;
  std::optional<SourceBridge> bridge;
  bool pooled = false;
  bool abandoned = false;
  bool notStarted = false;
  std::string_view gateKey;
};

Engine::Engine(HostContext& host, Backend& backend, EngineOptions options)
    : host_(host), backend_(backend), options_(options) {
  if (options_.serialize != Serialize::none) gate_ = std::make_shared<SerialGate>();
  if (options_.inlineCalls) return;
  // The context outlives the pool's last thread; the backend is kept alive while one of them is stuck in it.
  pool_ = std::make_unique<LanePool>(host.provider(), options_.pool, [&host, &backend](const LanePool::Job& job) {
    const csdk_status status = backend.start(job.op, job.call, job.args);
    if (status != CSDK_PENDING) finishCall(host, job.call, status);
  });
}

CallEnd Engine::run(Op op, void* args, CallSink& sink, InputSource* input, const CallContext& context) {
  CallEnd end;
  if (!gate_) {
    runGated(end, op, args, sink, input, context, {});
    return end;
  }
  const std::string key(options_.serialize == Serialize::sandbox ? sandboxOf(op, args) : std::string_view{});
  end.status = gate_->enter(key, context.stop, deadlineOf(context));
  if (end.status != CSDK_OK) {
    end.notStarted = true;
    end.failure.described = true;
    end.failure.message = end.status == CSDK_UNAVAILABLE ? "an earlier call that was given up still holds the provider"
                                                         : "an earlier call was still running";
    return end;
  }
  struct Leave {
    Engine& engine;
    const std::string& key;
    const CallEnd& end;
    ~Leave() {
      if (!end.abandoned) engine.gate_->leave(key);
    }
  } leave{*this, key, end};
  runGated(end, op, args, sink, input, context, key);
  return end;
}

bool Engine::begin(Running& running, Op op, void* args, InputSource* input) {
  CallSlot& slot = *running.slot;
  const OpInfo& info = opInfo(op);
  if (const auto carrier = host_.http()) carrier->learn(sandboxTokenOf(op, args));
  const void* lent = args;
  SourceBridge* bridge = nullptr;
  // A source is read behind the caller's back wherever output is queued.
  if (copies() || (input != nullptr && options_.queued)) {
    auto owned = std::make_unique<OwnedArgs>();
    if (input != nullptr) bridge = static_cast<SourceBridge*>(owned->memory.allocate(sizeof *bridge));
    owned->args = deepCopy(*info.args, args, owned->memory);
    if (bridge != nullptr) setSource(*info.args, owned->args, &bridge->source);
    lent = owned->args;
    slot.keepArgs(std::move(owned));
  } else if (input != nullptr) {
    bridge = &running.bridge.emplace();
    setSource(*info.args, args, &bridge->source);
  }
  if (bridge != nullptr) connect(*bridge, slot.token(), host_, *input);

  if (pool_) {
    running.pooled = true;
    return pool_->submit(running.lane, {slot.token(), op, lent});
  }
  const csdk_status status = backend_.start(op, slot.token(), lent);
  if (status != CSDK_PENDING && !slot.claim(status > 0 ? CSDK_INTERNAL : status)) {
    host_.misbehaved("an operation returned a status after it had completed");
  }
  return true;
}

void Engine::giveUp(Running& running) {
  CallSlot& slot = *running.slot;
  if (gate_) {
    slot.whenLate = [gate = gate_, key = std::string(running.gateKey)] { gate->leave(key); };
  }
  if (!slot.claimAbandoned()) return;
  running.abandoned = true;
  host_.abandoned.fetch_add(1, std::memory_order_relaxed);
  if (gate_) gate_->markStuck(running.gateKey);
  if (pool_) pool_->writeOff(slot.token());
  backend_.givenUp(slot.token());
}

void Engine::await(Running& running) {
  CallSlot& slot = *running.slot;
  const std::int64_t deadline = slot.deadlineNs();
  const bool mayGiveUp = copies() || !options_.lendsArgs;
  std::int64_t giveUpAt = 0;
  for (;;) {
    const std::uint32_t seen = slot.event().current();
    slot.drain();
    if (slot.over()) return slot.drain();  // what came between the two
    const std::int64_t now = monotonicNs();
    if (deadline != 0 && now >= deadline) slot.cancel();
    if (slot.cancelled() && giveUpAt == 0) {
      giveUpAt = now + options_.graceNs;
      if (running.pooled && pool_->withdraw(running.lane, slot.token())) {
        running.notStarted = true;
        slot.claim(deadline != 0 && now >= deadline ? CSDK_DEADLINE_EXCEEDED : CSDK_CANCELLED);
        continue;
      }
    }
    if (giveUpAt != 0 && now >= giveUpAt) {
      if (mayGiveUp && !running.abandoned) {
        giveUp(running);
        continue;
      }
      slot.event().wait(seen, 0);
    } else {
      slot.event().wait(seen, giveUpAt != 0 ? giveUpAt : deadline);
    }
  }
}

void Engine::runGated(CallEnd& end, Op op, void* args, CallSink& sink, InputSource* input, const CallContext& context,
                      std::string_view gateKey) {
  Running running;
  running.gateKey = gateKey;
  running.lane = opInfo(op).lane;
  running.slot = CallTable::instance().acquire();
  if (running.slot == nullptr) {
    end.status = CSDK_RESOURCE_EXHAUSTED;
    end.notStarted = true;
    return;
  }
  CallSlot& slot = *running.slot;
  const std::int64_t deadline = deadlineOf(context);
  slot.begin(host_, sink, options_.queued, deadline, &backend_);
  {
    std::optional<std::stop_callback<CancelCall>> stop;
    if (context.stop.stop_possible()) stop.emplace(context.stop, CancelCall{&slot});
    // Nobody waits at the deadline while the operation holds this thread.
    std::uint64_t timer = 0;
    if (options_.inlineCalls && deadline != 0) {
      timer = TimerService::instance().start(deadline, [call = slot.token()] {
        CallPin pin(call, nullptr);
        if (pin) pin->cancel();
      });
    }
    if (!begin(running, op, args, input)) {
      running.notStarted = true;
      slot.claim(CSDK_RESOURCE_EXHAUSTED);
    }
    await(running);
    if (timer != 0) TimerService::instance().cancel(timer);
  }
  slot.settle();
  end.status = slot.status();
  end.abandoned = running.abandoned;
  end.notStarted = running.notStarted;
  if (end.status != CSDK_OK) end.failure = slot.takeFailure();
  std::exception_ptr thrown = slot.cancelled() ? slot.takeException() : nullptr;
  slot.release();
  if (thrown) std::rethrow_exception(thrown);
}

}  // namespace computesdk::registry::host
