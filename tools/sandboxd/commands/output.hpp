#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace computesdk::sandboxd {

/// Bytes that all commands of a sandbox hold together. Any thread: the last owner of a command may be a worker.
struct OutputBudget {
  /// Above this every stream keeps `kFairShare` at most, so that many floods at a time stay bounded too.
  static constexpr std::size_t kTotal = std::size_t{256} << 20U;
  static constexpr std::size_t kFairShare = std::size_t{1} << 20U;
  std::atomic<std::size_t> used{0};
};

/// What one stream of a command said, up to a limit. Not thread-safe while it grows.
class Output {
 public:
  Output(std::shared_ptr<OutputBudget> budget, std::size_t limit) : budget_(std::move(budget)), limit_(limit) {}
  ~Output() { budget_->used -= bytes_.size(); }
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  /// Keeps what fits and counts the rest.
  void append(std::string_view bytes);
  [[nodiscard]] const std::string& bytes() const { return bytes_; }
  /// How many bytes at the end are missing.
  [[nodiscard]] std::uint64_t dropped() const { return dropped_; }

 private:
  std::shared_ptr<OutputBudget> budget_;
  std::size_t limit_;
  std::string bytes_;
  std::uint64_t dropped_ = 0;
};

}  // namespace computesdk::sandboxd
