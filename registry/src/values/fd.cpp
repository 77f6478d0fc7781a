#include "values/fd.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace computesdk::registry {
namespace {

ErrorInfo because(std::string why) {
  ErrorInfo error;
  error.why = std::move(why);
  return error;
}

bool writeAll(int fd, std::string_view content) noexcept {
  while (!content.empty()) {
    ssize_t written = ::write(fd, content.data(), content.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      return false;
    }
    content.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

}  // namespace

void UniqueFd::reset() noexcept {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

UniqueFd openForReading(const std::filesystem::path& file) noexcept {
  int fd = -1;
  do {
    fd = ::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
  } while (fd < 0 && errno == EINTR);
  return UniqueFd(fd);
}

ssize_t readAt(int fd, void* buffer, std::size_t size, off_t offset) noexcept {
  std::size_t done = 0;
  while (done < size) {
    ssize_t got = ::pread(fd, static_cast<char*>(buffer) + done, size - done, offset + static_cast<off_t>(done));
    if (got < 0) {
      if (errno == EINTR) continue;
      return -1;
    }
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  return static_cast<ssize_t>(done);
}

Result<std::string> readWhole(int fd, std::size_t max) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) return because(std::strerror(errno));
  if (!S_ISREG(info.st_mode)) return because("it is not a regular file");
  if (info.st_size < 0 || static_cast<std::size_t>(info.st_size) > max) {
    return because("it is " + std::to_string(info.st_size) + " bytes long; " + std::to_string(max) + " are allowed");
  }
  std::string content(static_cast<std::size_t>(info.st_size), '\0');
  ssize_t got = readAt(fd, content.data(), content.size(), 0);
  if (got < 0) return because(std::strerror(errno));
  content.resize(static_cast<std::size_t>(got));
  return content;
}

Result<void> replaceFile(const std::filesystem::path& file, std::string_view content) {
  std::string temporary = file.string() + ".XXXXXX";
  UniqueFd fd(::mkostemp(temporary.data(), O_CLOEXEC));  // mode 0600
  if (!fd) return because(file.parent_path().string() + ": " + std::strerror(errno));
  if (!writeAll(fd.get(), content) || ::rename(temporary.c_str(), file.c_str()) != 0) {
    auto why = because(file.string() + ": " + std::strerror(errno));
    ::unlink(temporary.c_str());
    return why;
  }
  return {};
}

}  // namespace computesdk::registry
