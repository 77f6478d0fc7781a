#pragma once

#include <computesdk/result.hpp>

#include <sys/types.h>

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

namespace computesdk::registry {

/// Owns a descriptor and closes it. Movable; not thread-safe.
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) noexcept : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    if (this != &other) {
      reset();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }
  ~UniqueFd() { reset(); }

  [[nodiscard]] int get() const noexcept { return fd_; }
  explicit operator bool() const noexcept { return fd_ >= 0; }
  [[nodiscard]] int release() noexcept { return std::exchange(fd_, -1); }
  void reset() noexcept;

 private:
  int fd_ = -1;
};

/// Opens for reading, never following a link in the last component, never waiting for a FIFO. Empty on failure, with
/// errno set.
UniqueFd openForReading(const std::filesystem::path& file) noexcept;

/// pread until `size` bytes are there or the file ends: the number read, or -1 with errno set.
ssize_t readAt(int fd, void* buffer, std::size_t size, off_t offset) noexcept;

/// The whole regular file. Errors (only `why` is filled in): not a regular file, longer than `max`, not readable.
Result<std::string> readWhole(int fd, std::size_t max);

/// Writes `content` beside `file` and renames it into place with mode 0600, so that a reader sees the old or the new
/// text. Errors: only `why` is filled in.
Result<void> replaceFile(const std::filesystem::path& file, std::string_view content);

}  // namespace computesdk::registry
