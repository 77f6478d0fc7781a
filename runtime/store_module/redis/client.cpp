#include "redis/client.hpp"

#include <algorithm>
#include <thread>

namespace computesdk::store::redis {
namespace {

constexpr std::chrono::milliseconds kFirstPause{10};
constexpr std::chrono::milliseconds kLongestPause{400};

}  // namespace

/// A connection on loan: back to the idle ones if it still works, else gone.
class Client::Borrowed {
 public:
  Borrowed(Client& client, Lease connection) : client_(client), connection_(std::move(connection)) {}
  Borrowed(const Borrowed&) = delete;
  Borrowed& operator=(const Borrowed&) = delete;
  ~Borrowed() { client_.giveBack(works_ ? std::move(connection_) : nullptr); }
  Result<Reply> call(const std::vector<std::string>& words, Clock::time_point deadline) {
    auto answer = connection_->call(words, deadline);
    works_ = answer.has_value();
    return answer;
  }

 private:
  Client& client_;
  Lease connection_;
  bool works_ = false;
};

Result<Client::Lease> Client::borrow(Clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  for (;;) {
    while (!idle_.empty()) {
      Lease connection = std::move(idle_.back());
      idle_.pop_back();
      if (!connection->closed()) return connection;
      --open_;
    }
    if (open_ < most_) break;
    if (freed_.wait_until(lock, deadline) == std::cv_status::timeout && idle_.empty() && open_ >= most_) {
      ErrorInfo error;
      error.code = ErrorCode::store;
      error.what = "cannot use the store " + shown_;
      error.why = "all " + std::to_string(most_) + " connections to it were busy all the time";
      error.fix = "see that Redis answers: redis-cli -u " + shown_ + " --latency";
      error.retryable = true;
      return error;
    }
  }
  ++open_;
  lock.unlock();
  auto made = Connection::open(address_, deadline);
  if (made) return std::move(*made);
  giveBack(nullptr);
  return std::move(made).error();
}

void Client::giveBack(Lease connection) {
  {
    std::lock_guard lock(mutex_);
    if (connection) {
      idle_.push_back(std::move(connection));
    } else {
      --open_;
    }
  }
  freed_.notify_one();
}

/// Once more, until it is no failure that passes by itself.
template <typename Once>
Result<Reply> Client::patiently(Once&& once) {
  const auto deadline = Clock::now() + patience_;
  auto pause = kFirstPause;
  for (;;) {
    auto answer = once(deadline);
    if (answer || !answer.error().retryable || Clock::now() + pause >= deadline) return answer;
    std::this_thread::sleep_for(pause);
    pause = std::min(pause * 2, kLongestPause);
  }
}

Result<Reply> Client::once(const std::vector<std::string>& words, Clock::time_point deadline) {
  auto connection = borrow(deadline);
  if (!connection) return std::move(connection).error();
  Borrowed borrowed(*this, std::move(*connection));
  auto answer = borrowed.call(words, deadline);
  if (answer && answer->kind == Reply::Kind::error) return refused(shown_, answer->text);
  return answer;
}

Result<Reply> Client::call(const std::vector<std::string>& words) {
  return patiently([&](Clock::time_point deadline) { return once(words, deadline); });
}

Result<std::string> Client::digest(const Script& script, Clock::time_point deadline) {
  {
    std::lock_guard lock(mutex_);
    if (auto known = digests_.find(&script); known != digests_.end()) return known->second;
  }
  auto loaded = once({"SCRIPT", "LOAD", script.text}, deadline);
  if (!loaded) return std::move(loaded).error();
  std::lock_guard lock(mutex_);
  return digests_[&script] = loaded->text;
}

Result<Reply> Client::run(const Script& script, const std::vector<std::string>& keys,
                          const std::vector<std::string>& args) {
  return patiently([&](Clock::time_point deadline) -> Result<Reply> {
    auto sha = digest(script, deadline);
    if (!sha) return std::move(sha).error();
    std::vector<std::string> words = {"EVALSHA", std::move(*sha), std::to_string(keys.size())};
    words.insert(words.end(), keys.begin(), keys.end());
    words.insert(words.end(), args.begin(), args.end());
    auto answer = once(words, deadline);
    if (answer || answer.error().vendorCode != "NOSCRIPT") return answer;
    // A restarted or flushed Redis has forgotten it.
    words[0] = "EVAL";
    words[1] = script.text;
    return once(words, deadline);
  });
}

}  // namespace computesdk::store::redis
