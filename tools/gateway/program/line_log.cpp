#include "program/line_log.hpp"

#include <unistd.h>

#include <cerrno>
#include <utility>

namespace computesdk::gateway {
namespace {

void writeStderr(std::string_view text) {
  while (!text.empty()) {
    const ssize_t wrote = ::write(STDERR_FILENO, text.data(), text.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(wrote));
  }
}

}  // namespace

LineLog::LineLog() : thread_([this] { run(); }) {}

LineLog::~LineLog() {
  {
    std::lock_guard lock(mutex_);
    ending_ = true;
  }
  ready_.notify_one();
  thread_.join();
}

void LineLog::write(std::string line) {
  {
    std::lock_guard lock(mutex_);
    if (lines_.size() >= kMost) {
      ++lost_;
      return;
    }
    lines_.push_back(std::move(line));
  }
  ready_.notify_one();
}

void LineLog::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    ready_.wait(lock, [this] { return ending_ || !lines_.empty(); });
    const auto lines = std::exchange(lines_, {});
    const auto lost = std::exchange(lost_, 0);
    const bool last = ending_;
    lock.unlock();
    std::string text;
    for (const std::string& line : lines) text += line + "\n";
    if (lost != 0) text += "gateway: " + std::to_string(lost) + " lines of this log were lost\n";
    writeStderr(text);
    lock.lock();
    if (last && lines_.empty()) return;
  }
}

}  // namespace computesdk::gateway
