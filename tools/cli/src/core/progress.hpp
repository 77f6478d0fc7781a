#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>

namespace computesdk::cli {

/// One line on stderr that is written over as things go on; nothing at all where stderr is no terminal. Thread-safe.
class ProgressLine {
 public:
  ProgressLine() = default;
  /// Clears the line.
  ~ProgressLine() { clear(); }
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  void show(std::string_view text);
  /// "name  [=====>    ]  31M of 100M"; at most ten times a second. `total` of 0: not known.
  void bar(std::string_view name, std::int64_t done, std::int64_t total);
  void clear();

 private:
  std::mutex mutex_;
  bool shown_ = false;
  std::int64_t lastMilliseconds_ = 0;
};

/// The bar's text, for 80 columns.
std::string progressBar(std::string_view name, std::int64_t done, std::int64_t total);

}  // namespace computesdk::cli
