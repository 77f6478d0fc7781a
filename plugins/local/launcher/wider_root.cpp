// A root with one more top folder, for a working folder that the template does not have ("/app", "/repo/src").
//
// The template is shared by all sandboxes of a launcher and cannot be written, so this sandbox gets a root of its own:
// a small tmpfs that shows every entry of the template again, and the new folder beside them. Sandboxes that start in
// one of the usual places never pay for it.
#include "helper.hpp"

namespace computesdk::local {
namespace {

using protocol::Step;

constexpr unsigned long kReadOnly = 1, kNoSuid = 2, kNoDev = 4, kRemount = 32, kBind = 4096, kRecursive = 16384;
constexpr int kDetach = 2;
constexpr unsigned char kTypeDirectory = 4, kTypeLink = 10;
constexpr const char* kNewRoot = "/.mounts";  // its own entries have been moved to their places by now

struct DirectoryEntry {  // as getdents64 writes it
  std::uint64_t inode;
  std::int64_t offset;
  unsigned short size;
  unsigned char type;
  char name[1];
};

bool isDotEntry(const char* name) { return name[0] == '.' && (name[1] == 0 || (name[1] == '.' && name[2] == 0)); }

bool isNewRoot(const char* name) { return sys::equal(name, kNewRoot + 1); }

// Shows /NAME of the present root at the same place in the new one.
int showAgain(const DirectoryEntry& entry) {
  sys::Line<300> from;
  sys::Line<300> to;
  from << "/" << entry.name;
  to << kNewRoot << "/" << entry.name;
  if (from.full() || to.full()) return -sys::kEnametoolong;
  if (entry.type == kTypeLink) {
    char target[4096];
    const sys::Word size =
        sys::call(__NR_readlinkat, AT_FDCWD, sys::word(from.text()), sys::word(target), sizeof target - 1);
    if (size < 0) return static_cast<int>(size);
    target[size] = 0;
    return sys::symlinkAt(target, AT_FDCWD, to.text());
  }
  if (entry.type == kTypeDirectory) {
    const int made = sys::makeDirAt(AT_FDCWD, to.text(), 0755);
    if (made < 0) return made;
  } else {
    const int fd = sys::openAt(AT_FDCWD, to.text(), O_WRONLY | O_CREAT | O_EXCL, 0644);
    if (fd < 0) return fd;
    sys::closeFd(fd);
  }
  return sys::mount(from.text(), to.text(), nullptr, kBind | kRecursive, nullptr);
}

int showAllAgain(int root) {
  alignas(8) char buffer[4096];
  for (;;) {
    const sys::Word filled = sys::call(__NR_getdents64, root, sys::word(buffer), sizeof buffer);
    if (filled <= 0) return static_cast<int>(filled);
    for (sys::Word at = 0; at < filled;) {
      const auto& entry = *reinterpret_cast<const DirectoryEntry*>(buffer + at);
      at += entry.size;
      if (isDotEntry(entry.name) || isNewRoot(entry.name)) continue;
      const int result = showAgain(entry);
      if (result < 0) return result;
    }
  }
}

}  // namespace

sys::Line<300> topFolder(const char* path) {
  std::size_t end = 1;
  while (path[end] != 0 && path[end] != '/') ++end;
  sys::Line<300> top;
  top.append(path, end);
  return top;
}

Outcome widenRoot(const Config& config, const Birth& birth) {
  const sys::Line<300> top = topFolder(birth.workdir);
  if (top.full()) return failed(Step::kWorkdir, -sys::kEnametoolong);
  int result = sys::changeDirTo(birth.scratch);
  if (result == 0) result = sys::makeDirAt(AT_FDCWD, "extra", 0755);
  if (result < 0) return failed(Step::kScratch, result);
  const Outcome shown = showPart(config, birth.spec.uid, "extra", nullptr, "extra");
  if (!shown.ok()) return shown;
  result = sys::mount("tmpfs", kNewRoot, "tmpfs", kNoSuid | kNoDev, "mode=0755,size=64k,nr_inodes=256");
  if (result < 0) return failed(Step::kWorkdir, result);
  const int root = sys::openAt(AT_FDCWD, "/", O_RDONLY | O_DIRECTORY);
  result = root < 0 ? root : showAllAgain(root);
  sys::closeFd(root);
  if (result < 0) return failed(Step::kWorkdir, result);
  sys::Line<300> place;
  place << kNewRoot << top.text();
  result = sys::makeDirAt(AT_FDCWD, place.text(), 0755);
  if (result == 0) result = sys::mount("extra", place.text(), nullptr, kBind, nullptr);
  if (result == 0) {
    result = sys::mount(nullptr, kNewRoot, nullptr, kRemount | kBind | kReadOnly | kNoSuid | kNoDev, nullptr);
  }
  if (result == 0) result = sys::changeDir(kNewRoot);
  if (result == 0) result = static_cast<int>(sys::call(__NR_pivot_root, sys::word("."), sys::word(".")));
  if (result == 0) result = sys::umount(".", kDetach);
  if (result == 0) result = sys::changeDir("/");
  return result < 0 ? failed(Step::kWorkdir, result) : Outcome{};
}

}  // namespace computesdk::local
