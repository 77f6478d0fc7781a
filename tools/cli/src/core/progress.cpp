#include "core/progress.hpp"

#include <algorithm>
#include <chrono>

#include "core/terminal.hpp"
#include "core/units.hpp"

namespace computesdk::cli {

std::string progressBar(std::string_view name, std::int64_t done, std::int64_t total) {
  static constexpr std::int64_t kWidth = 24;
  std::string text = printable(name);
  if (text.size() > 32) text = "…" + text.substr(text.size() - 31);
  if (total <= 0) return text + "  " + formatSize(done);
  auto filled = static_cast<std::size_t>(static_cast<double>(std::clamp<std::int64_t>(done, 0, total)) /
                                         static_cast<double>(total) * static_cast<double>(kWidth));
  std::string bar(filled, '=');
  if (filled < kWidth) bar += '>';
  bar.resize(kWidth, ' ');
  return text + "  [" + bar + "]  " + formatSize(done) + " of " + formatSize(total);
}

void ProgressLine::show(std::string_view text) {
  if (!terminal().live) return;
  std::lock_guard lock(mutex_);
  shown_ = true;
  printErr("\r\033[K" + styledErr(printable(text), Style::dim));
}

void ProgressLine::bar(std::string_view name, std::int64_t done, std::int64_t total) {
  if (!terminal().live) return;
  auto now = std::chrono::duration_cast<Milliseconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
  {
    std::lock_guard lock(mutex_);
    if (now - lastMilliseconds_ < 100 && done != total) return;
    lastMilliseconds_ = now;
  }
  show(progressBar(name, done, total));
}

void ProgressLine::clear() {
  std::lock_guard lock(mutex_);
  if (shown_) printErr("\r\033[K");
  shown_ = false;
}

}  // namespace computesdk::cli
