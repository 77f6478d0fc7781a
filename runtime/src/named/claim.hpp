#pragma once

#include "core/seams.hpp"
#include "named/named_store.hpp"

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

namespace computesdk::detail {

/// Milliseconds of the wall clock: what claims of several processes are measured by.
std::int64_t nowMs();

/// A name that only this object may make a sandbox for, as long as it lives: a thread renews the claim. If the process
/// dies, the claim lapses. Given up by the destructor.
class Claim {
 public:
  /// Null when another holds it.
  static Result<std::unique_ptr<Claim>> take(std::shared_ptr<NamedStore> store, std::string key,
                                             const ClaimTimes& times);
  Claim(const Claim&) = delete;
  Claim& operator=(const Claim&) = delete;
  ~Claim();

  [[nodiscard]] const std::string& owner() const noexcept { return owner_; }

 private:
  Claim(std::shared_ptr<NamedStore> store, std::string key, std::string owner, const ClaimTimes& times);
  void renew(const std::stop_token& stop);

  const std::shared_ptr<NamedStore> store_;
  const std::string key_;
  const std::string owner_;
  const ClaimTimes times_;
  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::jthread thread_;
};

}  // namespace computesdk::detail
