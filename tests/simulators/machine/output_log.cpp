#include "output_log.hpp"

#include <algorithm>

namespace computesdk::simulators {
namespace {
constexpr std::size_t kSlack = std::size_t{1} << 20;
}

OutputLog::Reader::Reader(std::shared_ptr<OutputLog> log, std::uint64_t next, std::uint64_t seen)
    : log_(std::move(log)), next_(next), seen_(seen) {}

OutputLog::Reader::~Reader() {
  const std::lock_guard lock(log_->mutex_);
  std::erase(log_->readers_, this);
  log_->dropWhatMayGo();
  log_->changed_.notify_all();
}

OutputLog::Reader::State OutputLog::Reader::next(OutputChunk& chunk, std::chrono::milliseconds within) {
  std::unique_lock lock(log_->mutex_);
  const auto end = [this] { return log_->first_ + log_->chunks_.size(); };
  const bool ready = log_->changed_.wait_for(lock, within, [&] { return next_ < end() || log_->end_; });
  if (!ready) return State::waiting;
  if (next_ < log_->first_) {
    next_ = log_->first_;
    seen_ = log_->total_ - log_->bytes_;
  }
  if (next_ >= end()) return State::end;
  chunk = log_->chunks_[static_cast<std::size_t>(next_ - log_->first_)];
  ++next_;
  seen_ += chunk.bytes.size();
  log_->dropWhatMayGo();
  log_->changed_.notify_all();
  return State::chunk;
}

std::unique_ptr<OutputLog::Reader> OutputLog::read(bool fromStart) {
  const std::lock_guard lock(mutex_);
  auto reader = std::make_unique<Reader>(shared_from_this(), fromStart ? first_ : first_ + chunks_.size(),
                                         fromStart ? total_ - bytes_ : total_);
  readers_.push_back(reader.get());
  return reader;
}

std::string OutputLog::kept(Channel channel) const {
  const std::lock_guard lock(mutex_);
  std::string all;
  for (const OutputChunk& chunk : chunks_) {
    if (chunk.channel == channel) all += chunk.bytes;
  }
  return all;
}

// Bytes that the slowest reader has not had.
std::uint64_t OutputLog::behind() const {
  std::uint64_t slowest = total_;
  for (const Reader* reader : readers_) slowest = std::min(slowest, reader->seen_);
  return total_ - slowest;
}

void OutputLog::dropWhatMayGo() {
  std::uint64_t slowest = first_ + chunks_.size();
  for (const Reader* reader : readers_) slowest = std::min(slowest, reader->next_);
  while (bytes_ > keepBytes_ && !chunks_.empty() && (first_ < slowest || !mayBlock_)) {
    if (!mayBlock_ && first_ >= slowest && bytes_ <= keepBytes_ + kSlack) break;
    bytes_ -= chunks_.front().bytes.size();
    chunks_.pop_front();
    ++first_;
  }
}

void OutputLog::write(Channel channel, std::string_view bytes) {
  if (bytes.empty()) return;
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return !mayBlock_ || behind() <= kSlack; });
  chunks_.push_back({channel, std::string(bytes)});
  bytes_ += bytes.size();
  total_ += bytes.size();
  dropWhatMayGo();
  changed_.notify_all();
}

void OutputLog::stopWaiting() {
  const std::lock_guard lock(mutex_);
  mayBlock_ = false;
  changed_.notify_all();
}

void OutputLog::end(TaskEnd how) {
  const std::lock_guard lock(mutex_);
  end_ = how;
  changed_.notify_all();
}

std::optional<TaskEnd> OutputLog::ended() const {
  const std::lock_guard lock(mutex_);
  return end_;
}

std::optional<TaskEnd> OutputLog::waitForEnd(std::chrono::milliseconds within) const {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, within, [this] { return end_.has_value(); });
  return end_;
}

}  // namespace computesdk::simulators
