#include "files/io.hpp"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "core/answer.hpp"
#include "files/paths.hpp"

namespace computesdk::sandboxd {
namespace {

ErrorCode codeOf(int number) {
  switch (number) {
    case ENOENT: return ErrorCode::fileNotFound;
    case EACCES:
    case EPERM:
    case EROFS: return ErrorCode::permission;
    case ENOSPC:
    case EDQUOT: return ErrorCode::diskFull;
    case EMFILE:
    case ENFILE:
    case ENOMEM: return ErrorCode::resourceExhausted;
    case EISDIR:
    case ENOTDIR:
    case EINVAL:
    case ENAMETOOLONG:
    case ELOOP:
    case ENXIO:
    case ETXTBSY:
    case EBUSY:
    case EEXIST:
    case ENOTEMPTY:
    case EFBIG:
    case EXDEV: return ErrorCode::invalidArgument;
    default: return ErrorCode::internal;
  }
}

}  // namespace

ErrorInfo ioFailure(int number, const std::string& sentence) {
  char text[128] = "";
  ErrorInfo info;
  info.code = codeOf(number);
  info.what = sentence + ": " + strerror_r(number, text, sizeof text);  // GNU: may return a text of its own
  return info;
}

ErrorInfo fileMissing(const std::string& absolute) {
  ErrorInfo info = missing("File not found: " + absolute);
  info.code = ErrorCode::fileNotFound;
  return info;
}

ErrorInfo folderMissing(const std::string& absolute) {
  ErrorInfo info = missing("Directory not found: " + absolute);
  info.code = ErrorCode::fileNotFound;
  return info;
}

Result<OpenFile> openForReading(const std::string& path) {
  OpenFile file;
  // O_NONBLOCK: opening a FIFO or a device for reading must not wait for its other side.
  file.descriptor.reset(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  const int number = errno;
  if (!file.descriptor && number == ENXIO) return invalid("Not a regular file: " + path);  // a socket
  if (!file.descriptor && (number == ENOENT || number == ENOTDIR)) return fileMissing(path);
  if (!file.descriptor) return ioFailure(number, "Cannot read " + path);
  if (fstat(file.descriptor.get(), &file.info) != 0) return ioFailure(errno, "Cannot read " + path);
  if (S_ISDIR(file.info.st_mode)) return invalid("Is a directory: " + path);
  if (!S_ISREG(file.info.st_mode)) return invalid("Not a regular file: " + path);
  return file;
}

bool readUpTo(int descriptor, std::size_t most, std::string& into) {
  constexpr std::size_t kPiece = 64 << 10;
  const std::size_t before = into.size();
  while (into.size() - before < most) {
    const std::size_t have = into.size();
    into.resize(have + std::min(kPiece, most - (have - before)));
    const ssize_t got = read(descriptor, into.data() + have, into.size() - have);
    const int number = errno;
    into.resize(have + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    if (got == 0 || (got < 0 && number == EAGAIN)) return true;
    if (got < 0 && number != EINTR) {
      errno = number;
      return false;
    }
  }
  return true;
}

bool writeAll(int descriptor, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t put = write(descriptor, bytes.data(), bytes.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(put));
  }
  return true;
}

Result<std::string> readFile(const std::string& path, std::size_t most) {
  Result<OpenFile> file = openForReading(path);
  if (!file) return file.error();
  std::string content;
  if (!readUpTo(file->descriptor.get(), most + 1, content)) return ioFailure(errno, "Cannot read " + path);
  if (content.size() <= most) return content;
  ErrorInfo info = invalid("File too large: " + path);
  info.code = ErrorCode::outOfRange;
  return info;
}

Result<void> makeFolders(const std::string& path) {
  if (mkdir(path.c_str(), 0777) == 0) return {};
  struct stat info {};
  if (errno == EEXIST && stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) return {};
  // From the root down: what is missing is made, what is there is passed.
  for (std::size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
    const std::string part = path.substr(0, end);
    if (mkdir(part.c_str(), 0777) != 0) {
      const int number = errno;
      const bool there = stat(part.c_str(), &info) == 0;
      if (there && !S_ISDIR(info.st_mode)) return invalid("Not a directory: " + part);
      if (!there) return ioFailure(number, "Cannot make the directory " + part);
    }
    if (end == std::string::npos) return {};
  }
}

}  // namespace computesdk::sandboxd
