#pragma once

#include "store/reaper.hpp"
#include "store/store.hpp"

#include <gtest/gtest.h>
#include <sys/types.h>

#include <filesystem>
#include <memory>
#include <string>

namespace computesdk::gateway::test {

using std::chrono::milliseconds;
using std::chrono::seconds;
using SteadyClock = std::chrono::steady_clock;

/// An empty folder, gone with the object.
class TempFolder {
 public:
  TempFolder();
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  ~TempFolder();
  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }

 private:
  std::filesystem::path path_;
};

/// A redis-server of our own, with an append-only file in a temporary folder. It dies with the object, and with this
/// process at the latest.
class RedisServer {
 public:
  /// `more`: further arguments.
  explicit RedisServer(std::vector<std::string> more = {});
  RedisServer(const RedisServer&) = delete;
  RedisServer& operator=(const RedisServer&) = delete;
  ~RedisServer();

  [[nodiscard]] std::string url() const;
  [[nodiscard]] int port() const noexcept { return port_; }
  [[nodiscard]] pid_t pid() const noexcept { return pid_; }
  /// Waits until it is dead.
  void kill(int signal);
  /// On the same port with the same folder; waits until it answers.
  void start();
  /// The answer to a command, as text ("<error>" included).
  std::string ask(const std::vector<std::string>& words) const;
  std::vector<std::string> keys() const;

 private:
  bool tryStart();
  TempFolder folder_;
  std::vector<std::string> more_;
  int port_ = 0;
  pid_t pid_ = -1;
};

enum class Backend { sqlite, redis };
std::string backendName(const testing::TestParamInfo<Backend>& info);

/// A store of each kind. One Redis serves all tests of the program and is emptied before each.
class StoreTest : public testing::TestWithParam<Backend> {
 protected:
  void SetUp() override;
  /// Another gateway's view of the same store.
  [[nodiscard]] std::shared_ptr<Store> open(StoreOptions options = {}) const;
  [[nodiscard]] std::string url() const;
  static RedisServer& redis();

  TempFolder folder_;
  std::shared_ptr<Store> store_;
};

SandboxRecord draftOf(const std::string& id, const std::string& name = {}, const std::string& workspace = "1");
/// What providers would know of a finished one.
SandboxRecord madeOf(SandboxRecord draft, std::int64_t expiresMs = 0);
/// Begun and finished, or a test failure.
SandboxRecord make(Store& store, const SandboxRecord& draft, std::int64_t expiresMs = 0);

/// The value, or a test failure with the error's text and an empty value.
template <typename T>
T must(Result<T> result) {
  EXPECT_TRUE(result) << (result ? "" : result.error().firstLine());
  return result ? std::move(*result) : T();
}
inline void must(const Result<void>& result) { EXPECT_TRUE(result) << (result ? "" : result.error().firstLine()); }

/// Waits, at most 20 s, for something that another thread or process brings about.
template <typename Condition>
bool eventually(Condition condition) {
  const auto until = SteadyClock::now() + seconds(20);
  while (!condition()) {
    if (SteadyClock::now() > until) return false;
    std::this_thread::yield();
  }
  return true;
}

}  // namespace computesdk::gateway::test
