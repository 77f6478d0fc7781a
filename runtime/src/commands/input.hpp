#pragma once

#include <computesdk/filesystem.hpp>
#include <computesdk/registry/provider.hpp>

#include "core/fd.hpp"

#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

// The ends from which providers pull input. None of their reads ever blocks.
namespace computesdk::detail {

/// Bytes that are lent for as long as the source lives.
std::unique_ptr<registry::InputSource> bytesSource(std::span<const std::byte> bytes);
/// A descriptor of the caller's: read when it has something, closed by nobody here. Reads nothing ahead.
std::unique_ptr<registry::InputSource> descriptorSource(int fd);
/// A regular file. `size`: its length.
std::unique_ptr<registry::InputSource> fileSource(UniqueFd fd, std::int64_t size);

/// Bytes that one thread puts in and a provider takes out.
class QueueSource : public registry::InputSource {
 public:
  /// Waits while more than 256 KiB lie here. False when the queue is closed, or `stop` fired.
  bool push(std::span<const std::byte> bytes, const std::stop_token& stop);
  /// No more will come. Idempotent.
  void close();
  [[nodiscard]] bool closed() const;

  [[nodiscard]] std::int64_t sizeHint() const override { return -1; }
  State read(std::span<std::byte> buffer, std::size_t& size) override;
  void onReadable(std::function<void()> ready) override;

 private:
  mutable std::mutex mutex_;
  std::condition_variable_any room_;
  std::vector<std::byte> bytes_;
  std::size_t taken_ = 0;
  bool closed_ = false;
  std::function<void()> ready_;
};

/// A function that may block, read by a thread of its own. What it throws, or its stop, is told to `onFailure` once and
/// the source says nothing more: the call has to be cancelled then, or half of the input would pass for all of it.
class PumpSource : public registry::InputSource {
 public:
  PumpSource(const ByteSource& reader, std::function<void(std::exception_ptr)> onFailure);
  ~PumpSource() override;
  PumpSource(const PumpSource&) = delete;
  PumpSource& operator=(const PumpSource&) = delete;

  [[nodiscard]] std::int64_t sizeHint() const override { return -1; }
  State read(std::span<std::byte> buffer, std::size_t& size) override { return queue_.read(buffer, size); }
  void onReadable(std::function<void()> ready) override { queue_.onReadable(std::move(ready)); }

 private:
  void pump(const std::stop_token& stop);
  const ByteSource& reader_;
  const std::function<void(std::exception_ptr)> onFailure_;
  QueueSource queue_;
  std::jthread thread_;
};

/// A source that passes another one's bytes on and counts them.
class CountingSource : public registry::InputSource {
 public:
  CountingSource(registry::InputSource& inner, std::function<void(std::span<const std::byte>)> onBytes)
      : inner_(inner), onBytes_(std::move(onBytes)) {}
  [[nodiscard]] std::int64_t sizeHint() const override { return inner_.sizeHint(); }
  State read(std::span<std::byte> buffer, std::size_t& size) override {
    const State state = inner_.read(buffer, size);
    if (state == State::data) onBytes_(buffer.first(size));
    return state;
  }
  void onReadable(std::function<void()> ready) override { inner_.onReadable(std::move(ready)); }

 private:
  registry::InputSource& inner_;
  const std::function<void(std::span<const std::byte>)> onBytes_;
};

}  // namespace computesdk::detail
