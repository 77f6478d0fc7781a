#include "layer.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <set>
#include <vector>

#include "tar_reader.hpp"
#include "tree.hpp"

namespace computesdk::local::rootfs {
namespace {

constexpr std::string_view kWhiteout = ".wh.";
constexpr std::string_view kOpaque = ".wh..wh..opq";

class Layer {
 public:
  Layer(int root, TarReader& tar, Allowance& allowance)
      : root_(root), tar_(tar), allowance_(allowance), block_(1U << 16) {}

  Status apply(const TarEntry& entry) {
    if (entry.kind == EntryKind::kOther) return okStatus();
    if (entry.kind == EntryKind::kFolder && isRoot(entry.path)) return okStatus();
    auto parts = splitPath(entry.path);
    if (!parts.ok()) return parts.error();
    auto place = locate(root_, *parts, true);
    if (!place.ok()) return place.error();
    const std::string& name = place->name;
    if (name == kOpaque) return hideAll(*place);
    if (name.rfind(kWhiteout, 0) == 0) return hide(*place, name.substr(kWhiteout.size()));
    if (allowance_.files == 0) {
      return Error{.kind = ErrorClass::kResourceExhausted, .message = "the image holds more files than allowed"};
    }
    --allowance_.files;
    Status made = okStatus();
    switch (entry.kind) {
      case EntryKind::kFolder: made = makeFolder(*place, entry); break;
      case EntryKind::kFile: made = makeFile(*place, entry); break;
      case EntryKind::kSymlink: made = makeSymlink(*place, entry); break;
      default: made = makeHardLink(*place, entry); break;
    }
    if (made.ok()) own_.insert(place->canonical);
    return made;
  }

 private:
  static bool isRoot(std::string_view path) { return path.find_first_not_of("./") == std::string_view::npos; }

  static void stamp(int folder, const std::string& name, std::int64_t seconds) {
    const timespec times[2] = {{seconds, 0}, {seconds, 0}};
    ::utimensat(folder, name.c_str(), times, AT_SYMLINK_NOFOLLOW);
  }

  // Something of this very layer is at or below a path.
  bool holdsOwn(const std::string& canonical) const {
    const auto found = own_.lower_bound(canonical);
    if (found == own_.end()) return false;
    if (*found == canonical) return true;
    const auto below = own_.lower_bound(canonical + "/");
    return below != own_.end() && below->rfind(canonical + "/", 0) == 0;
  }

  Status hide(const Place& place, const std::string& hidden) {
    if (hidden.empty() || hidden == "." || hidden == "..")
      return invalidArgument("a whiteout in a layer hides nothing");
    const std::size_t slash = place.canonical.rfind('/');
    const std::string path = (slash == std::string::npos ? "" : place.canonical.substr(0, slash + 1)) + hidden;
    return holdsOwn(path) ? okStatus() : removeAll(place.folder.get(), hidden);
  }

  Status hideAll(const Place& place) {
    return hideBelow(place.folder.get(), place.canonical.substr(0, place.canonical.size() - place.name.size()));
  }

  // `prefix` ends in a slash or is empty.
  Status hideBelow(int folder, const std::string& prefix) {
    const auto names = namesIn(folder);
    if (!names.ok()) return names.error();
    for (const std::string& name : *names) {
      const std::string path = prefix + name;
      if (!holdsOwn(path)) {
        if (Status removed = removeAll(folder, name); !removed.ok()) return removed;
        continue;
      }
      const UniqueFd inner(::openat(folder, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
      if (!inner) continue;
      if (Status hidden = hideBelow(inner.get(), path + "/"); !hidden.ok()) return hidden;
    }
    return okStatus();
  }

  Status makeFolder(const Place& place, const TarEntry& entry) {
    struct stat status {};
    const bool there = ::fstatat(place.folder.get(), place.name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0;
    if (there && !S_ISDIR(status.st_mode)) {
      if (Status removed = removeAll(place.folder.get(), place.name); !removed.ok()) return removed;
    }
    if ((!there || !S_ISDIR(status.st_mode)) && ::mkdirat(place.folder.get(), place.name.c_str(), 0755) != 0) {
      return systemError(errno, "cannot make the folder " + place.canonical);
    }
    // Its owner must be able to fill and to remove it.
    const UniqueFd folder(
        ::openat(place.folder.get(), place.name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!folder || ::fchmod(folder.get(), (entry.mode & 0777) | 0700) != 0) {
      return systemError(errno, "cannot set the mode of " + place.canonical);
    }
    return okStatus();
  }

  Status makeFile(const Place& place, const TarEntry& entry) {
    if (entry.size > allowance_.bytes) {
      return Error{.kind = ErrorClass::kResourceExhausted, .message = "the image is larger than allowed when unpacked"};
    }
    allowance_.bytes -= entry.size;
    if (Status removed = removeAll(place.folder.get(), place.name); !removed.ok()) return removed;
    const UniqueFd file(
        ::openat(place.folder.get(), place.name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!file) return systemError(errno, "cannot make the file " + place.canonical);
    for (;;) {
      const auto got = tar_.read(block_.data(), block_.size());
      if (!got.ok()) return got.error();
      if (*got == 0) break;
      for (std::size_t at = 0; at < *got;) {
        const ssize_t n = ::write(file.get(), block_.data() + at, *got - at);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return systemError(errno, "cannot write the file " + place.canonical);
        at += static_cast<std::size_t>(n);
      }
    }
    if (::fchmod(file.get(), (entry.mode & 0777) | 0400) != 0) {
      return systemError(errno, "cannot set the mode of " + place.canonical);
    }
    const timespec times[2] = {{entry.mtime, 0}, {entry.mtime, 0}};
    ::futimens(file.get(), times);
    return okStatus();
  }

  Status makeSymlink(const Place& place, const TarEntry& entry) {
    if (entry.link.empty()) return invalidArgument("a symlink in a layer leads nowhere");
    if (Status removed = removeAll(place.folder.get(), place.name); !removed.ok()) return removed;
    // Its target is text: whoever follows it does so inside of a root.
    if (::symlinkat(entry.link.c_str(), place.folder.get(), place.name.c_str()) != 0) {
      return systemError(errno, "cannot make the symlink " + place.canonical);
    }
    stamp(place.folder.get(), place.name, entry.mtime);
    return okStatus();
  }

  Status makeHardLink(const Place& place, const TarEntry& entry) {
    const auto parts = splitPath(entry.link);
    if (!parts.ok()) return parts.error();
    const auto target = locate(root_, *parts, false);
    if (!target.ok()) return invalidArgument("a hard link in a layer leads nowhere: " + entry.path);
    struct stat status {};
    if (::fstatat(target->folder.get(), target->name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0 ||
        S_ISDIR(status.st_mode)) {
      return invalidArgument("a hard link in a layer leads to no file: " + entry.path);
    }
    if (target->canonical == place.canonical) return okStatus();
    if (Status removed = removeAll(place.folder.get(), place.name); !removed.ok()) return removed;
    if (::linkat(target->folder.get(), target->name.c_str(), place.folder.get(), place.name.c_str(), 0) != 0) {
      return systemError(errno, "cannot make the hard link " + place.canonical);
    }
    return okStatus();
  }

  int root_;
  TarReader& tar_;
  Allowance& allowance_;
  std::vector<char> block_;
  std::set<std::string> own_;  // canonical paths that this layer brought
};

}  // namespace

Status applyLayer(int root, ByteSource& archive, Allowance& allowance) {
  TarReader tar(archive);
  Layer layer(root, tar, allowance);
  for (;;) {
    const auto entry = tar.next();
    if (!entry.ok()) return entry.error();
    if (!entry->has_value()) return okStatus();
    if (Status applied = layer.apply(**entry); !applied.ok()) return applied;
  }
}

}  // namespace computesdk::local::rootfs
