// Copies of single files and links for CopyTree.
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <memory>

#include "files/io.hpp"
#include "files/paths.hpp"
#include "overlays/copy_tree.hpp"

namespace computesdk::sandboxd {
namespace {

// How many folders deep a relative path leads, from `depth` on; -1 when it leaves the top on its way.
int depthAfter(int depth, std::string_view path) {
  for (std::size_t begin = 0; begin < path.size() && depth >= 0;) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    const std::string_view name = path.substr(begin, end - begin);
    if (name == "..") {
      --depth;
    } else if (!name.empty() && name != ".") {
      ++depth;
    }
    begin = end + 1;
  }
  return depth;
}

// Without "." and "..", by the names alone.
std::string lexical(std::string_view absolute) {
  std::string path;
  for (std::size_t begin = 0; begin < absolute.size();) {
    const std::size_t end = std::min(absolute.find('/', begin), absolute.size());
    const std::string_view name = absolute.substr(begin, end - begin);
    if (name == "..") {
      path.erase(std::min(path.rfind('/'), path.size()));
    } else if (!name.empty() && name != ".") {
      path.append("/").append(name);
    }
    begin = end + 1;
  }
  return path;
}

}  // namespace

// A link that never leaves the tree means the same in the copy. One that leads into the source by another road (an
// absolute path, or out and in again) would let writes reach it, so it is turned to the copy.
std::string CopyTree::linkText(const std::string& relative, const std::string& text) const {
  const int depth = depthAfter(0, relative) - 1;
  if (!text.starts_with('/') && depthAfter(depth, text) >= 0) return text;
  const std::string path = text.starts_with('/') ? text : joinPath(folderOf(joinPath(options_.source, relative)), text);
  const std::unique_ptr<char, decltype(&free)> real(realpath(path.c_str(), nullptr), &free);
  const std::string end = real ? std::string(real.get()) : lexical(path);
  if (end != options_.source && !end.starts_with(joinPath(options_.source, ""))) return text;
  std::string turned;
  for (int i = 0; i < depth; ++i) turned += "../";
  turned += end == options_.source ? "." : end.substr(joinPath(options_.source, "").size());
  return turned;
}

bool CopyTree::copyLink(const Place& place, const std::string& name) {
  char text[PATH_MAX];
  const ssize_t length = readlinkat(place.source.get(), name.c_str(), text, sizeof text);
  if (length < 0) return errno == ENOENT || fail(errno, place.below(name));
  const std::string to = linkText(place.below(name), {text, static_cast<std::size_t>(length)});
  if (symlinkat(to.c_str(), place.target.get(), name.c_str()) == 0) {
    ++counts_.files;
  } else if (errno == EEXIST) {
    skip(place.below(name));
  } else {
    return fail(errno, place.below(name));
  }
  return true;
}

bool CopyTree::copyFile(const Place& place, const std::string& name) {
  const std::string relative = place.below(name);
  const UniqueFd from(openat(place.source.get(), name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  struct stat info {};
  if (!from || fstat(from.get(), &info) != 0) return errno == ENOENT || fail(errno, relative);
  if (!S_ISREG(info.st_mode)) {  // replaced meanwhile
    skip(relative);
    return true;
  }
  const UniqueFd to(
      openat(place.target.get(), name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!to && errno == EEXIST) {
    skip(relative);
    return true;
  }
  if (!to) return fail(errno, relative);
  const struct timespec times[] = {info.st_atim, info.st_mtim};
  if (!copyBytes(from.get(), to.get()) || fchmod(to.get(), info.st_mode & 0777) != 0 ||
      futimens(to.get(), times) != 0) {
    const int number = errno;
    unlinkat(place.target.get(), name.c_str(), 0);
    return fail(number, relative);
  }
  ++counts_.files;
  if (progress_ && counts_.files % 64 == 0) progress_();
  return true;
}

bool CopyTree::copyBytes(int from, int to) const {
  if (options_.share && ioctl(to, FICLONE, from) == 0) return true;
  constexpr std::size_t kPiece = 16U << 20U;
  bool any = false;
  while (!cancelled_) {
    const ssize_t copied = copy_file_range(from, nullptr, to, nullptr, kPiece, 0);
    if (copied < 0 && errno == EINTR) continue;
    if (copied == 0 && any) return true;
    if (copied <= 0) break;  // some file systems cannot, and some say 0 for what they make up
    any = true;
  }
  for (std::string piece; !cancelled_; piece.clear()) {
    if (!readUpTo(from, 1U << 20U, piece) || !writeAll(to, piece)) return false;
    if (piece.empty()) return true;
  }
  errno = ECANCELED;
  return false;
}

}  // namespace computesdk::sandboxd
