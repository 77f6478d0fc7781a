#include "commands/input.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace computesdk::detail {
namespace {

using State = registry::InputSource::State;
constexpr std::size_t kHighWater = 256 * 1024;

class BytesSource : public registry::InputSource {
 public:
  explicit BytesSource(std::span<const std::byte> bytes)
      : size_(static_cast<std::int64_t>(bytes.size())), rest_(bytes) {}
  [[nodiscard]] std::int64_t sizeHint() const override { return size_; }
  State read(std::span<std::byte> buffer, std::size_t& size) override {
    if (rest_.empty()) return State::end;
    size = std::min(buffer.size(), rest_.size());
    std::copy_n(rest_.begin(), size, buffer.begin());
    rest_ = rest_.subspan(size);
    return State::data;
  }
  void onReadable(std::function<void()> ready) override { ready(); }

 private:
  const std::int64_t size_;
  std::span<const std::byte> rest_;
};

class FileSource : public registry::InputSource {
 public:
  FileSource(UniqueFd fd, std::int64_t size) : fd_(std::move(fd)), size_(size) {}
  [[nodiscard]] std::int64_t sizeHint() const override { return size_; }
  State read(std::span<std::byte> buffer, std::size_t& size) override {
    ssize_t got = 0;
    do {
      got = ::read(fd_.get(), buffer.data(), buffer.size());
    } while (got < 0 && errno == EINTR);
    // An error here shows as a file that is too short, which the size check after the transfer finds.
    if (got <= 0) return State::end;
    size = static_cast<std::size_t>(got);
    return State::data;
  }
  void onReadable(std::function<void()> ready) override { ready(); }

 private:
  const UniqueFd fd_;
  const std::int64_t size_;
};

/// Reads when the descriptor has something; a thread that only waits is started when somebody has to be told.
class DescriptorSource : public registry::InputSource {
 public:
  explicit DescriptorSource(int fd) : fd_(fd), wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}
  ~DescriptorSource() override {
    {
      std::lock_guard lock(mutex_);
      ending_ = true;
    }
    poke();
    if (thread_.joinable()) thread_.join();
  }
  [[nodiscard]] std::int64_t sizeHint() const override { return -1; }

  State read(std::span<std::byte> buffer, std::size_t& size) override {
    for (;;) {
      pollfd poll{fd_, POLLIN, 0};
      const int ready = ::poll(&poll, 1, 0);
      if (ready == 0 || (ready < 0 && errno == EINTR)) return State::again;
      const ssize_t got = ::read(fd_, buffer.data(), buffer.size());
      if (got < 0 && errno == EINTR) continue;
      if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return State::again;
      if (got <= 0) return State::end;
      size = static_cast<std::size_t>(got);
      return State::data;
    }
  }

  void onReadable(std::function<void()> ready) override {
    {
      std::lock_guard lock(mutex_);
      ready_ = std::move(ready);
      if (!thread_.joinable()) thread_ = std::thread([this] { wait(); });
    }
    poke();
  }

 private:
  void poke() const noexcept {
    const std::uint64_t one = 1;
    while (::write(wake_.get(), &one, sizeof one) < 0 && errno == EINTR) {
    }
  }

  void wait() {
    for (;;) {
      bool wanted = false;
      {
        std::lock_guard lock(mutex_);
        if (ending_) return;
        wanted = static_cast<bool>(ready_);
      }
      std::array<pollfd, 2> polls = {pollfd{wake_.get(), POLLIN, 0}, pollfd{wanted ? fd_ : -1, POLLIN, 0}};
      if (::poll(polls.data(), polls.size(), -1) < 0) continue;
      if (polls[0].revents != 0) {
        std::uint64_t count = 0;
        (void)!::read(wake_.get(), &count, sizeof count);
      }
      if (polls[1].revents == 0) continue;
      std::function<void()> ready;
      {
        std::lock_guard lock(mutex_);
        ready = std::exchange(ready_, {});
      }
      if (ready) ready();
    }
  }

  const int fd_;
  const UniqueFd wake_;
  std::mutex mutex_;
  bool ending_ = false;
  std::function<void()> ready_;
  std::thread thread_;
};

}  // namespace

std::unique_ptr<registry::InputSource> bytesSource(std::span<const std::byte> bytes) {
  return std::make_unique<BytesSource>(bytes);
}
std::unique_ptr<registry::InputSource> descriptorSource(int fd) { return std::make_unique<DescriptorSource>(fd); }
std::unique_ptr<registry::InputSource> fileSource(UniqueFd fd, std::int64_t size) {
  return std::make_unique<FileSource>(std::move(fd), size);
}

bool QueueSource::push(std::span<const std::byte> bytes, const std::stop_token& stop) {
  std::function<void()> ready;
  {
    std::unique_lock lock(mutex_);
    if (!room_.wait(lock, stop, [&] { return closed_ || bytes_.size() - taken_ < kHighWater; })) return false;
    if (closed_) return false;
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    ready = std::exchange(ready_, {});
  }
  if (ready) ready();
  return true;
}

void QueueSource::close() {
  std::function<void()> ready;
  {
    std::lock_guard lock(mutex_);
    closed_ = true;
    ready = std::exchange(ready_, {});
  }
  room_.notify_all();
  if (ready) ready();
}

bool QueueSource::closed() const {
  std::lock_guard lock(mutex_);
  return closed_;
}

State QueueSource::read(std::span<std::byte> buffer, std::size_t& size) {
  std::lock_guard lock(mutex_);
  const std::size_t have = bytes_.size() - taken_;
  if (have == 0) return closed_ ? State::end : State::again;
  size = std::min(buffer.size(), have);
  std::memcpy(buffer.data(), bytes_.data() + taken_, size);
  taken_ += size;
  if (taken_ == bytes_.size()) {
    bytes_.clear();
    taken_ = 0;
  } else if (taken_ >= kHighWater) {
    bytes_.erase(bytes_.begin(), bytes_.begin() + static_cast<std::ptrdiff_t>(taken_));
    taken_ = 0;
  }
  room_.notify_all();
  return State::data;
}

void QueueSource::onReadable(std::function<void()> ready) {
  {
    std::lock_guard lock(mutex_);
    if (bytes_.size() == taken_ && !closed_) {
      ready_ = std::move(ready);
      return;
    }
  }
  ready();
}

PumpSource::PumpSource(const ByteSource& reader, std::function<void(std::exception_ptr)> onFailure)
    : reader_(reader), onFailure_(std::move(onFailure)), thread_([this](const std::stop_token& stop) { pump(stop); }) {}

PumpSource::~PumpSource() {
  thread_.request_stop();
  thread_.join();
}

void PumpSource::pump(const std::stop_token& stop) {
  try {
    std::vector<std::byte> buffer(64 * 1024);
    while (!stop.stop_requested()) {
      const std::size_t got = reader_(buffer);
      if (got == 0) return queue_.close();
      if (!queue_.push(std::span(buffer).first(std::min(got, buffer.size())), stop)) return;
    }
  } catch (...) {
    onFailure_(std::current_exception());
  }
}

}  // namespace computesdk::detail
