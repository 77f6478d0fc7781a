// The read-only root of all sandboxes of one launcher: the host's /usr (or a template folder), a made-up /etc,
// a minimal /dev, and empty places for what each sandbox puts on top.
#include "base_root.hpp"
#include "helper.hpp"

namespace computesdk::local {
namespace {

using protocol::Step;

constexpr unsigned long kReadOnly = 1, kNoSuid = 2, kNoDev = 4, kNoExec = 8, kRemount = 32, kBind = 4096,
                        kRecursive = 16384, kPrivate = 1UL << 18;
constexpr int kDetach = 2;

struct MountAttributes {
  std::uint64_t set, clear, propagation, userns;
};
constexpr int kEmptyPath = 0x1000, kAtRecursive = 0x8000;

// nosuid, nodev, and read-only if asked, on a whole tree. `path` may be empty: then `folder` is the tree's fd.
int sealTree(int folder, const char* path, bool readOnly) {
  MountAttributes attributes{};
  attributes.set = kNoSuid | kNoDev | (readOnly ? kReadOnly : 0);
  attributes.propagation = kPrivate;
  const int flags = kAtRecursive | (*path == 0 ? kEmptyPath : 0);
  const sys::Word result =
      sys::call(__NR_mount_setattr, folder, sys::word(path), flags, sys::word(&attributes), sizeof attributes);
  if (result != -sys::kEnosys || *path == 0) return static_cast<int>(result);
  return sys::mount(nullptr, path, nullptr, kRemount | kBind | kNoSuid | kNoDev | (readOnly ? kReadOnly : 0), nullptr);
}

int bindReadOnly(const char* source, const char* target) {
  const int result = sys::mount(source, target, nullptr, kBind | kRecursive, nullptr);
  return result < 0 ? result : sealTree(AT_FDCWD, target, true);
}

int writeFile(const char* path, const char* text) {
  const int fd = sys::openAt(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
  if (fd < 0) return fd;
  const sys::Word n = sys::writeFd(fd, text, sys::length(text));
  sys::closeFd(fd);
  return n < 0 ? static_cast<int>(n) : 0;
}

// A file that may be absent, copied: a mount would cost every sandbox a little.
void copyFile(const char* from, const char* to) {
  constexpr sys::Word kMost = 16 << 20;
  const int source = sys::openAt(AT_FDCWD, from, O_RDONLY);
  if (source < 0) return;
  const int target = sys::openAt(AT_FDCWD, to, O_WRONLY | O_CREAT, 0644);
  if (target >= 0) sys::call(__NR_sendfile, target, source, 0, kMost);
  sys::closeFd(source);
  sys::closeFd(target);
}

// A top-level name of the host (/bin, /lib64 …): the same symlink, or a bind of the folder. Absent is fine.
int mirror(const char* name) {
  sys::Line<64> path;
  path << "/" << name;
  char target[256];
  const sys::Word size = sys::call(__NR_readlinkat, AT_FDCWD, sys::word(path.text()), sys::word(target), 255);
  if (size > 0) {
    target[size] = 0;
    return sys::symlinkAt(target, AT_FDCWD, name);
  }
  if (size == -sys::kEnoent) return 0;
  const int made = sys::makeDirAt(AT_FDCWD, name, 0755);
  return made < 0 ? made : bindReadOnly(path.text(), name);
}

// The entries of a folder that are files or symlinks. An overlay takes no folder that others are mounted in.
void copyEntries(const char* from, const char* to) {
  if (sys::makeDirAt(AT_FDCWD, to, 0755) < 0) return;
  const int folder = sys::openAt(AT_FDCWD, from, O_RDONLY | O_DIRECTORY);
  if (folder < 0) return;
  alignas(8) static char entries[16384];
  sys::Word size;
  while ((size = sys::call(__NR_getdents64, folder, sys::word(entries), sizeof entries)) > 0) {
    for (sys::Word at = 0; at < size;) {
      const char* entry = entries + at;
      at += *reinterpret_cast<const std::uint16_t*>(entry + 16);
      const char* name = entry + 19;
      sys::Line<400> source, place;
      source << from << "/" << name;
      place << to << "/" << name;
      char target[1024];
      const sys::Word length =
          sys::call(__NR_readlinkat, AT_FDCWD, sys::word(source.text()), sys::word(target), sizeof target - 1);
      if (length > 0) {
        target[length] = 0;
        sys::symlinkAt(target, AT_FDCWD, place.text());
      } else if (entry[18] == 8 /* DT_REG */) {
        copyFile(source.text(), place.text());
      }
    }
  }
  sys::closeFd(folder);
}

void bindIfThere(const char* source, const char* target) {
  if (sys::makeDirAt(AT_FDCWD, target, 0755) == 0 && bindReadOnly(source, target) < 0) {
    sys::unlinkAt(AT_FDCWD, target, 0x200 /* AT_REMOVEDIR */);
  }
}

int makeEtc(bool overlay) {
  int result = sys::makeDirAt(AT_FDCWD, "etc", 0755);
  if (result < 0) return result;
  for (const MadeUpFile& file : kMadeUpEtc) {
    result = writeFile(file.path, file.text);
    if (result < 0) return result;
  }
  for (const char* name : kCopiedEtc) {
    sys::Line<64> from, to;
    from << "/etc/" << name;
    to << "etc/" << name;
    copyFile(from.text(), to.text());
  }
  sys::symlinkAt("/proc/self/mounts", AT_FDCWD, "etc/mtab");
  sys::symlinkAt("/run/computesdk/resolv.conf", AT_FDCWD, "etc/resolv.conf");
  const auto show = overlay ? copyEntries : bindIfThere;
  show("/etc/alternatives", "etc/alternatives");
  if (sys::makeDirAt(AT_FDCWD, "etc/ssl", 0755) == 0) {
    show("/etc/ssl/certs", "etc/ssl/certs");
    copyFile("/etc/ssl/openssl.cnf", "etc/ssl/openssl.cnf");
  }
  return 0;
}

int makeDev() {
  int result = sys::makeDirAt(AT_FDCWD, "dev", 0755);
  for (const char* name : {"null", "zero", "full", "random", "urandom", "tty"}) {
    if (result < 0) return result;
    sys::Line<32> from, to;
    from << "/dev/" << name;
    to << "dev/" << name;
    result = writeFile(to.text(), "");
    if (result == 0) result = sys::mount(from.text(), to.text(), nullptr, kBind, nullptr);
  }
  if (result < 0) return result;
  sys::makeDirAt(AT_FDCWD, "dev/pts", 0755);
  sys::makeDirAt(AT_FDCWD, "dev/shm", 0755);
  sys::symlinkAt("pts/ptmx", AT_FDCWD, "dev/ptmx");
  sys::symlinkAt("/proc/self/fd", AT_FDCWD, "dev/fd");
  sys::symlinkAt("/proc/self/fd/0", AT_FDCWD, "dev/stdin");
  sys::symlinkAt("/proc/self/fd/1", AT_FDCWD, "dev/stdout");
  sys::symlinkAt("/proc/self/fd/2", AT_FDCWD, "dev/stderr");
  return 0;
}

// Remembers a folder as one that can be written. One with a name that says something to overlayfs stays read-only.
void addTop(Config& config, const char* name) {
  if (!config.overlay || config.topCount == kMaxTops || sys::length(name) >= sizeof config.tops[0].name) return;
  for (const char* c = name; *c != 0; ++c) {
    const bool plain = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') || *c == '_' ||
                       *c == '-' || *c == '.';
    if (!plain) return;
  }
  memcpy(config.tops[config.topCount++].name, name, sys::length(name) + 1);
}

// Everything at the top of the template folder, read-only, except the places that are always ours.
int mirrorTemplate(Config& config) {
  sys::makeDirAt(AT_FDCWD, "old_root", 0755);
  sys::Word result = sys::call(__NR_move_mount, config.templateTree, sys::word(""), AT_FDCWD, sys::word("old_root"),
                               4 /* MOVE_MOUNT_F_EMPTY_PATH */);
  if (result < 0) return static_cast<int>(result);
  const int folder = sys::openAt(AT_FDCWD, "old_root", O_RDONLY | O_DIRECTORY);
  if (folder < 0) return folder;
  alignas(8) static char entries[16384];
  while ((result = sys::call(__NR_getdents64, folder, sys::word(entries), sizeof entries)) > 0) {
    for (sys::Word at = 0; at < result;) {
      const char* entry = entries + at;
      at += *reinterpret_cast<const std::uint16_t*>(entry + 16);
      const char kind = entry[18];
      const char* name = entry + 19;
      if (reservedTop(name)) continue;
      sys::Line<300> from;
      from << "old_root/" << name;
      char target[256];
      const sys::Word size = sys::call(__NR_readlinkat, AT_FDCWD, sys::word(from.text()), sys::word(target), 255);
      if (size > 0) {
        target[size] = 0;
        sys::symlinkAt(target, AT_FDCWD, name);
      } else if (kind == 4 /* DT_DIR */ && sys::makeDirAt(AT_FDCWD, name, 0755) == 0) {
        const int bound = bindReadOnly(from.text(), name);
        if (bound < 0) return bound;
        addTop(config, name);
      }
    }
  }
  sys::closeFd(folder);
  if (result < 0) return static_cast<int>(result);
  sys::umount("old_root", kDetach);
  return 0;
}

int fill(Config& config) {
  int result = 0;
  if (config.templateTree >= 0) {
    result = mirrorTemplate(config);
  } else {
    for (const char* name : kMachineTops) {
      if (result == 0) result = mirror(name);
    }
    if (result == 0) result = makeEtc(config.overlay);
    if (config.overlay && result == 0) result = sys::makeDirAt(AT_FDCWD, "opt", 0755);
    for (const char* name : {"usr", "etc", "opt"}) addTop(config, name);
  }
  if (result == 0) result = makeDev();
  for (const char* name :
       {"proc", "tmp", "home", "run", "var", "var/tmp", "root", "mnt", "workspace", "work", ".mounts"}) {
    if (result == 0) sys::makeDirAt(AT_FDCWD, name, 0755);
  }
  return result;
}

// User mounts wait below /.mounts; each init binds them where they belong, over its own writable places too.
Outcome placeUserMounts(Config& config) {
  for (int i = 0; i < config.mountCount; ++i) {
    UserMount& mount = config.mounts[i];
    sys::Line<32> place;
    place << ".mounts/" << i;
    struct {
      char bytes[256];
    } status{};
    sys::call(__NR_statx, mount.tree, sys::word(""), kEmptyPath, 1 /* STATX_TYPE */, sys::word(&status));
    const bool folder = (*reinterpret_cast<const std::uint16_t*>(status.bytes + 28) & 0170000) == 0040000;
    if (folder) {
      sys::makeDirAt(AT_FDCWD, place.text(), 0755);
    } else {
      writeFile(place.text(), "");
    }
    const sys::Word moved = sys::call(__NR_move_mount, mount.tree, sys::word(""), AT_FDCWD, sys::word(place.text()), 4);
    if (moved < 0) return failed(Step::kUserMount, moved);
    sys::closeFd(mount.tree);
    sys::Line<4200> inside;
    inside << "." << mount.target;
    if (folder) {
      makeDirs(inside.text(), 0755);
      continue;
    }
    const char* last = inside.text();
    for (const char* c = last; *c != 0; ++c) last = *c == '/' ? c : last;
    sys::Line<4200> parent;
    parent.append(inside.text(), static_cast<std::size_t>(last - inside.text()));
    makeDirs(parent.text(), 0755);
    writeFile(inside.text(), "");
  }
  return {};
}

// Layers wait below /.mounts as well, as l0, l1, …
Outcome placeLayers(Config& config) {
  for (int i = 0; i < config.layerCount; ++i) {
    sys::Line<32> place;
    place << ".mounts/l" << i;
    sys::makeDirAt(AT_FDCWD, place.text(), 0755);
    const sys::Word moved =
        sys::call(__NR_move_mount, config.layers[i].tree, sys::word(""), AT_FDCWD, sys::word(place.text()), 4);
    if (moved < 0) return failed(Step::kTemplateMount, moved);
    sys::closeFd(config.layers[i].tree);
  }
  return {};
}

}  // namespace

int makeDirs(const char* path, int mode) {
  char part[4200];
  for (std::size_t i = 0;; ++i) {
    if (i >= sizeof part) return -sys::kEnametoolong;
    const char c = path[i];
    part[i] = c;
    if ((c == '/' && i > 0) || c == 0) {
      part[i] = 0;
      const int result = sys::makeDirAt(AT_FDCWD, part, mode);
      if (result < 0 && result != -sys::kEexist && c == 0) return result;
      part[i] = c;
    }
    if (c == 0) return 0;
  }
}

Outcome openTrees(Config& config) {
  constexpr sys::Word kClone = 1 | 02000000 | kAtRecursive;
  if (*config.templateFolder != 0) {
    const sys::Word tree = sys::call(__NR_open_tree, AT_FDCWD, sys::word(config.templateFolder), kClone);
    if (tree < 0) return failed(Step::kTemplateMount, tree);
    config.templateTree = static_cast<int>(tree);
    const int sealed = sealTree(config.templateTree, "", true);
    if (sealed < 0) return failed(Step::kTemplateMount, sealed);
  }
  for (int i = 0; i < config.layerCount; ++i) {
    config.layers[i].held = sys::openAt(AT_FDCWD, config.layers[i].folder, O_RDONLY | O_DIRECTORY);
    if (config.layers[i].held < 0) return failed(Step::kTemplateMount, config.layers[i].held);
    const sys::Word tree = sys::call(__NR_open_tree, AT_FDCWD, sys::word(config.layers[i].folder), kClone);
    if (tree < 0) return failed(Step::kTemplateMount, tree);
    config.layers[i].tree = static_cast<int>(tree);
    const int sealed = sealTree(config.layers[i].tree, "", true);
    if (sealed < 0) return failed(Step::kTemplateMount, sealed);
  }
  for (int i = 0; i < config.mountCount; ++i) {
    UserMount& mount = config.mounts[i];
    const sys::Word tree = sys::call(__NR_open_tree, AT_FDCWD, sys::word(mount.source), kClone);
    if (tree < 0) return failed(Step::kUserMount, tree);
    mount.tree = static_cast<int>(tree);
    const int sealed = sealTree(mount.tree, "", !mount.writable);
    if (sealed < 0) return failed(Step::kUserMount, sealed);
  }
  return {};
}

int holdLayers(const Config& config) {
  for (int i = 0; i < config.layerCount; ++i) {
    const int folder = config.layers[i].held;
    const sys::Word locked = sys::call(__NR_flock, folder, 1 | 4 /* LOCK_SH | LOCK_NB */);
    if (locked < 0) return static_cast<int>(locked);
    struct statx status {};
    const sys::Word known = sys::call(__NR_statx, folder, sys::word(""), kEmptyPath, STATX_NLINK, sys::word(&status));
    if (known < 0) return static_cast<int>(known);
    if (status.stx_nlink == 0) return -sys::kEnoent;
  }
  return 0;
}

void releaseLayers(const Config& config) {
  for (int i = 0; i < config.layerCount; ++i) sys::call(__NR_flock, config.layers[i].held, 8 /* LOCK_UN */);
}

Outcome buildTemplateRoot(Config& config) {
  int result = sys::mount("none", "/", nullptr, kRecursive | kPrivate, nullptr);
  if (result < 0) return failed(Step::kPrivateMounts, result);
  const char* place = "/tmp";
  result = sys::mount("tmpfs", place, "tmpfs", kNoSuid | kNoDev, "mode=0755,size=16m");
  if (result == -sys::kEnoent) {
    place = "/mnt";
    result = sys::mount("tmpfs", place, "tmpfs", kNoSuid | kNoDev, "mode=0755,size=16m");
  }
  if (result == 0) result = sys::changeDir(place);
  if (result < 0) return failed(Step::kTemplateRoot, result);
  sys::call(__NR_umask, 022);
  result = fill(config);
  if (result < 0) return failed(Step::kTemplateMount, result);
  Outcome placed = placeUserMounts(config);
  if (placed.ok()) placed = placeLayers(config);
  if (!placed.ok()) return placed;
  result = sys::mount("proc", "proc", "proc", kNoSuid | kNoDev | kNoExec, nullptr);
  if (result < 0) return failed(Step::kMountProc, result);
  result = sys::mount(nullptr, ".", nullptr, kRemount | kBind | kReadOnly | kNoSuid | kNoDev, nullptr);
  if (result == 0) result = static_cast<int>(sys::call(__NR_pivot_root, sys::word("."), sys::word(".")));
  if (result == 0) result = sys::umount(".", kDetach);
  if (result == 0) result = sys::changeDir("/");
  return result < 0 ? failed(Step::kPivot, result) : Outcome{};
}

}  // namespace computesdk::local
