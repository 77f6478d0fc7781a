#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace computesdk::gateway {

/// Lines for stderr, written by a thread of its own, so that a reader who is slow holds nobody up; then lines are lost
/// and counted. Thread-safe.
class LineLog {
 public:
  LineLog();
  ~LineLog();
  LineLog(const LineLog&) = delete;
  LineLog& operator=(const LineLog&) = delete;

  void write(std::string line);

 private:
  void run();
  static constexpr std::size_t kMost = 10'000;
  std::mutex mutex_;
  std::condition_variable ready_;
  std::vector<std::string> lines_;
  std::uint64_t lost_ = 0;
  bool ending_ = false;
  std::thread thread_;
};

}  // namespace computesdk::gateway
