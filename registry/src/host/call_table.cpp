#include "call.hpp"
#include "host_context.hpp"

#include <new>
#include <type_traits>
#include <utility>

namespace computesdk::registry::host {
namespace {

// A token is generation << 20 | slot; a word is generation << 20 | live | threads inside.
constexpr std::uint64_t kIndexBits = 20;
constexpr std::uint64_t kLowMask = (std::uint64_t{1} << kIndexBits) - 1;
constexpr std::uint64_t kLive = std::uint64_t{1} << (kIndexBits - 1);

/// One free slot kept by each thread, so that a thread which makes call after call takes no lock.
struct ThreadSlot {
  CallSlot* slot = nullptr;
  bool gone = false;
  ~ThreadSlot();
};
thread_local ThreadSlot threadSlot;

ThreadSlot::~ThreadSlot() {
  gone = true;
  if (slot != nullptr) CallTable::instance().giveBack(*slot);
}

}  // namespace

// In memory that is zero by itself: a program that makes few calls touches few pages of it. Never destroyed.
constinit CallTable CallTable::table_;
static_assert(std::is_trivially_destructible_v<CallTable>);

CallSlot* CallTable::acquire() {
  if (threadSlot.slot != nullptr) return std::exchange(threadSlot.slot, nullptr);
  std::lock_guard lock(mutex_);
  if (free_ == nullptr) return grow();
  CallSlot* slot = free_;
  free_ = slot->nextFree_;
  return slot;
}

CallSlot* CallTable::grow() {
  if (chunksUsed_ == kChunks) return nullptr;
  auto* memory = static_cast<CallSlot*>(::operator new(sizeof(CallSlot) * kSlotsPerChunk));
  const std::uint32_t first = chunksUsed_ * kSlotsPerChunk;
  for (std::uint32_t i = 0; i < kSlotsPerChunk; ++i) new (memory + i) CallSlot(first + i);
  for (std::uint32_t i = 1; i < kSlotsPerChunk; ++i) {
    memory[i].nextFree_ = free_;
    free_ = memory + i;
  }
  chunks_[chunksUsed_++].store(memory, std::memory_order_release);
  return memory;
}

void CallTable::giveBack(CallSlot& slot) noexcept {
  if (!threadSlot.gone && threadSlot.slot == nullptr) {
    threadSlot.slot = &slot;
    return;
  }
  std::lock_guard lock(mutex_);
  slot.nextFree_ = free_;
  free_ = &slot;
}

CallSlot* CallTable::find(csdk_call token) noexcept {
  const auto index = static_cast<std::uint32_t>(token & kLowMask);
  if (token >> kIndexBits == 0) return nullptr;
  CallSlot* chunk = chunks_[index / kSlotsPerChunk].load(std::memory_order_acquire);
  return chunk == nullptr ? nullptr : chunk + index % kSlotsPerChunk;
}

CallPin::CallPin(csdk_call token, const HostContext* host) noexcept {
  CallSlot* slot = CallTable::instance().find(token);
  if (slot == nullptr) return;
  std::uint64_t word = slot->word_.load(std::memory_order_acquire);
  do {
    if (word >> kIndexBits != token >> kIndexBits || (word & kLive) == 0) return;
  } while (!slot->word_.compare_exchange_weak(word, word + 1, std::memory_order_acq_rel, std::memory_order_acquire));
  slot_ = slot;
  if (host != nullptr && slot->host_ != host) unpin();
}

CallPin::~CallPin() {
  if (slot_ != nullptr) unpin();
}

void CallPin::unpin() noexcept {
  CallSlot* slot = std::exchange(slot_, nullptr);
  const std::uint64_t before = slot->word_.fetch_sub(1, std::memory_order_acq_rel);
  if ((before & kLive) == 0 && (before & (kLive - 1)) == 1) slot->event_.notify();
}

csdk_call CallSlot::begin(HostContext& host, CallSink& sink, bool queued, std::int64_t deadlineNs,
                          CallListener* listener) {
  host_ = &host;
  sink_ = &sink;
  listener_ = listener;
  queued_ = queued;
  deadlineNs_ = deadlineNs;
  status_ = CSDK_OK;
  cancelled_.store(false, std::memory_order_relaxed);
  hasNotify_.store(false, std::memory_order_relaxed);
  ending_.store(Ending::none, std::memory_order_relaxed);
  const std::uint64_t generation = (word_.load(std::memory_order_relaxed) >> kIndexBits) + 1;
  token_ = generation << kIndexBits | index_;
  word_.store(generation << kIndexBits | kLive, std::memory_order_release);
  return token_;
}

bool CallSlot::claim(csdk_status status) {
  std::uint64_t word = word_.load(std::memory_order_acquire);
  do {
    if ((word & kLive) == 0) return false;
  } while (!word_.compare_exchange_weak(word, word & ~kLive, std::memory_order_acq_rel, std::memory_order_acquire));
  status_ = status;
  return true;
}

bool CallSlot::over() const noexcept { return (word_.load(std::memory_order_acquire) & (kLive | (kLive - 1))) == 0; }

bool CallSlot::live() const noexcept { return (word_.load(std::memory_order_acquire) & kLive) != 0; }

bool CallSlot::sameCall(csdk_call token) const noexcept {
  return word_.load(std::memory_order_acquire) >> kIndexBits == token >> kIndexBits;
}

bool CallSlot::claimAbandoned() {
  std::lock_guard lock(mutex_);
  if (!claim(CSDK_DEADLINE_EXCEEDED)) return false;
  ending_.store(Ending::abandoned, std::memory_order_release);
  ownerGone_ = endedLate_ = false;
  return true;
}

bool CallSlot::endLate(csdk_call token) {
  {
    std::lock_guard lock(mutex_);
    if (!sameCall(token) || ending_.load(std::memory_order_acquire) != Ending::abandoned || endedLate_) return false;
    endedLate_ = true;
    if (!ownerGone_) return true;
  }
  release();
  return true;
}

void CallSlot::release() {
  std::function<void()> late;
  if (ending_.load(std::memory_order_acquire) == Ending::abandoned) {
    std::lock_guard lock(mutex_);
    if (!endedLate_) {
      ownerGone_ = true;
      return;
    }
    late = std::move(whenLate);
  }
  whenLate = nullptr;
  args_.reset();
  if (failure_.described || failure_.pluginDied) failure_ = CallFailure{};
  exception_ = nullptr;
  if (!queue_.empty()) queue_.clear();
  queuedBytes_ = 0;
  paused_ = false;
  ending_.store(Ending::completed, std::memory_order_release);
  CallTable::instance().giveBack(*this);
  if (late) late();
}

void finishCall(HostContext& host, csdk_call call, csdk_status status) {
  {
    CallPin pin(call, &host);
    if (pin && pin->claim(status > 0 ? CSDK_INTERNAL : status)) {
      pin->settle();
      return;
    }
  }
  CallSlot* slot = CallTable::instance().find(call);
  if (slot == nullptr || !slot->endLate(call)) host.misbehaved("an operation returned a status after it had completed");
}

}  // namespace computesdk::registry::host
