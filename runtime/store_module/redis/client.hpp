#pragma once

#include "redis/connection.hpp"

#include <condition_variable>
#include <map>
#include <mutex>

namespace computesdk::store::redis {

/// A Lua script that is kept in Redis.
struct Script {
  const char* name;
  const char* text;
};

/// Connections to one Redis, kept and shared. Thread-safe. While Redis is away, or says that it is not ready, a call
/// tries again with growing pauses until `patience` is over. So a call may be carried out twice: it has to be one for
/// which that makes no difference.
class Client {
 public:
  Client(Address address, std::chrono::milliseconds patience, std::size_t connections)
      : address_(std::move(address)), shown_(address_.shown()), patience_(patience), most_(connections) {}

  /// The answer; an error that Redis answers is an error here. Errors: E_STORE.
  Result<Reply> call(const std::vector<std::string>& words);
  /// Runs the script, which is sent only if Redis does not have it. Same errors.
  Result<Reply> run(const Script& script, const std::vector<std::string>& keys, const std::vector<std::string>& args);
  [[nodiscard]] const std::string& shown() const noexcept { return shown_; }

 private:
  using Lease = std::unique_ptr<Connection>;
  class Borrowed;
  Result<Lease> borrow(Clock::time_point deadline);
  void giveBack(Lease connection);
  template <typename Once>
  Result<Reply> patiently(Once&& once);
  Result<Reply> once(const std::vector<std::string>& words, Clock::time_point deadline);
  Result<std::string> digest(const Script& script, Clock::time_point deadline);

  const Address address_;
  const std::string shown_;
  const std::chrono::milliseconds patience_;
  const std::size_t most_;
  std::mutex mutex_;
  std::condition_variable freed_;
  std::vector<Lease> idle_;
  std::size_t open_ = 0;
  std::map<const Script*, std::string> digests_;
};

}  // namespace computesdk::store::redis
