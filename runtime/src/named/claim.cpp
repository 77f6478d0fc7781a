#include "named/claim.hpp"

#include "named/naming.hpp"

#include <array>

namespace computesdk::detail {

std::int64_t nowMs() {
  using namespace std::chrono;
  return duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
}

Result<std::unique_ptr<Claim>> Claim::take(std::shared_ptr<NamedStore> store, std::string key,
                                           const ClaimTimes& times) {
  std::string owner = newUuid();
  const std::int64_t now = nowMs();
  auto taken = store->claim(key, owner, now, now + times.lease.count());
  if (!taken) return std::move(taken).error();
  if (!*taken) return std::unique_ptr<Claim>();
  return std::unique_ptr<Claim>(new Claim(std::move(store), std::move(key), std::move(owner), times));
}

Claim::Claim(std::shared_ptr<NamedStore> store, std::string key, std::string owner, const ClaimTimes& times)
    : store_(std::move(store)),
      key_(std::move(key)),
      owner_(std::move(owner)),
      times_(times),
      thread_([this](const std::stop_token& stop) { renew(stop); }) {}

void Claim::renew(const std::stop_token& stop) {
  for (;;) {
    std::unique_lock lock(mutex_);
    if (wake_.wait_for(lock, stop, times_.lease / 4, [] { return false; }) || stop.stop_requested()) return;
    const std::int64_t now = nowMs();
    // A renewal that fails is tried again; should the claim lapse, binding the name fails and says so.
    (void)store_->claim(key_, owner_, now, now + times_.lease.count());
  }
}

Claim::~Claim() {
  thread_.request_stop();
  thread_.join();
  const std::array steps = {StoreStep{StoreStep::Kind::dropClaim, key_, owner_}};
  (void)store_->apply(steps);
}

}  // namespace computesdk::detail
