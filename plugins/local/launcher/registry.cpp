// A sandbox's folder in the registry: lock (held while it lives), sock, meta.json. Appears whole or not at all.
#include "launcher.hpp"

namespace computesdk::local {
namespace {

constexpr int kRemoveDir = 0x200;

int listenAt(const Box& box) {
  const int fd = sys::socket(1 /* AF_UNIX */, sys::kSeqPacket | sys::kNonblock, 0);
  if (fd < 0) return fd;
  struct {
    std::uint16_t family = 1;
    char path[108] = {};
  } address;
  sys::Line<108> path;
  path << "/proc/self/fd/" << box.folder << "/sock";
  memcpy(address.path, path.text(), path.size() + 1);
  sys::Word result = sys::call(__NR_bind, fd, sys::word(&address), sys::Word(sizeof address));
  if (result == 0) result = sys::call(__NR_listen, fd, 64);
  if (result == 0) return fd;
  sys::closeFd(fd);
  return static_cast<int>(result);
}

// `prefix` is a JSON object without its closing brace; what the launcher knows is its last member, "live".
int writeMeta(const Box& box, const char* prefix, std::size_t size) {
  const int fd = sys::openAt(box.folder, "meta.tmp", O_WRONLY | O_CREAT | O_TRUNC, 0600);
  if (fd < 0) return fd;
  sys::Line<1024> live;
  live << ",\"live\":{\"expires_ms\":" << box.expiresWallMs << ",\"ports\":{";
  for (int i = 0; i < box.forwardCount; ++i) {
    if (i > 0) live << ",";
    live << "\"" << int(box.forwards[i].inside) << "\":" << int(box.forwards[i].outside);
  }
  live << "}}}\n";
  sys::Word result = sys::writeFd(fd, prefix, size);
  const bool whole = result == sys::Word(size) && !live.full();
  if (whole) result = sys::writeFd(fd, live.text(), live.size());
  sys::closeFd(fd);
  if (result < 0) return static_cast<int>(result);
  if (!whole) return -sys::kEnospc;
  return sys::renameAt(box.folder, "meta.tmp", "meta.json");
}

void forget(Box& box, const char* name) {
  for (const char* file : {"meta.json", "meta.tmp", "sock", "lock"}) sys::unlinkAt(box.folder, file, 0);
  sys::unlinkAt(launcher.config->registry, name, kRemoveDir);
  sys::closeFd(box.listener);
  sys::closeFd(box.lock);
  sys::closeFd(box.folder);
  box.folder = box.lock = box.listener = -1;
}

// Makes the folder under its first name and holds it: one that nobody holds was begun by a launcher that died, and is
// removed by whoever sees it. That may be between making and holding ours, so there are further names.
int beginFolder(Box& box, sys::Line<96>& name) {
  const int registry = launcher.config->registry;
  constexpr int kTimes = 64;
  int result = 0;
  for (int i = 0; i < kTimes; ++i) {
    name = {};
    name << ".new-" << box.id << "-" << i;
    result = sys::makeDirAt(registry, name.text(), 0700);
    if (result < 0) return result;
    box.folder = result = sys::openAt(registry, name.text(), O_RDONLY | O_DIRECTORY);
    if (result >= 0) result = static_cast<int>(sys::call(__NR_flock, box.folder, 2 | 4 /* LOCK_EX | LOCK_NB */));
    if (result >= 0) result = static_cast<int>(sys::call(__NR_faccessat, registry, sys::word(name.text()), 0));
    if (result >= 0) return 0;
    sys::closeFd(box.folder);
    box.folder = -1;
    if (result == -sys::kEnoent || result == -sys::kEagain) continue;
    sys::unlinkAt(registry, name.text(), kRemoveDir);
    break;
  }
  return result;
}

}  // namespace

int registerBox(Box& box, const protocol::Text& meta) {
  const int registry = launcher.config->registry;
  sys::Line<96> name;
  int result = beginFolder(box, name);
  if (result < 0) return result;
  box.lock = result = sys::openAt(box.folder, "lock", O_RDWR | O_CREAT, 0600);
  if (result >= 0) result = static_cast<int>(sys::call(__NR_flock, box.lock, 2 | 4 /* LOCK_EX | LOCK_NB */));
  if (result >= 0) box.listener = result = listenAt(box);
  if (result >= 0) result = writeMeta(box, meta.data, meta.size);
  if (result >= 0)
    result = static_cast<int>(sys::call(__NR_renameat2, registry, sys::word(name.text()), registry, sys::word(box.id),
                                        1 /* RENAME_NOREPLACE */));
  if (result == -sys::kEinval) result = sys::renameAt(registry, name.text(), box.id);
  if (result < 0) {
    forget(box, name.text());
    return result;
  }
  const int index = launcher.boxes.indexOf(box);
  sys::epollControl(launcher.epoll, sys::kAdd, box.listener, sys::kIn,
                    topicKey(Topic::kKnock, index, 0, box.generation));
  return 0;
}

int rewriteMeta(const Box& box) {
  if (box.folder < 0) return 0;
  static char text[66 * 1024];
  const sys::Word size = sys::slurp(box.folder, "meta.json", text, sizeof text);
  if (size < 0) return static_cast<int>(size);
  for (sys::Word at = size; at-- > 0;) {
    if (sys::startsWith(text + at, ",\"live\":{")) return writeMeta(box, text, static_cast<std::size_t>(at));
  }
  return -sys::kEinval;
}

void unregisterBox(Box& box) {
  if (box.folder >= 0) forget(box, box.id);
}

}  // namespace computesdk::local
