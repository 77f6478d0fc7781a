// What a sandbox can write is one tmpfs, the current folder while it is set up. Each folder of it is a part: shown as
// it is, or as the top of an overlay over what a snapshot kept of that part and what the base has.
#include "helper.hpp"

namespace computesdk::local {
namespace {

using protocol::Step;

constexpr unsigned long kNoSuid = 2, kNoDev = 4, kBind = 4096;

bool isFolder(const char* path) {
  const int fd = sys::openAt(AT_FDCWD, path, O_PATH | O_DIRECTORY | O_NOFOLLOW);
  sys::closeFd(fd);
  return fd >= 0;
}

// The folders of the machine's /usr belong to its root, whom no sandbox is. Those that software is usually put into
// are made anew on top, as the sandbox's own; the overlay shows them with what was in them.
int ownUsualFolders() {
  for (const char* name : {"bin", "sbin", "lib", "share", "include", "local", "local/bin", "local/sbin", "local/lib",
                           "local/share", "local/include", "local/etc"}) {
    sys::Line<64> below;
    sys::Line<64> above;
    below << "/usr/" << name;
    above << "top-usr/" << name;
    if (!isFolder(below.text())) continue;
    const int made = sys::makeDirAt(AT_FDCWD, above.text(), 0755);
    if (made < 0 && made != -sys::kEexist) return made;
  }
  return 0;
}

}  // namespace

Outcome showPart(const Config& config, std::uint32_t uid, const char* part, const char* base, const char* target) {
  sys::Line<4000> options;
  options << "userxattr,lowerdir=";
  bool any = false;
  for (int i = 0; i < config.layerCount; ++i) {
    sys::Line<160> layer;
    layer << "/.mounts/l" << i << "/" << part;
    if (!isFolder(layer.text())) continue;
    options << (any ? ":" : "") << layer.text();
    any = true;
  }
  if (base != nullptr) {
    options << (any ? ":" : "") << base;
    any = true;
  }
  if (!any) {
    const int bound = sys::mount(part, target, nullptr, kBind, nullptr);
    return bound < 0 ? failed(Step::kScratch, bound) : Outcome{};
  }
  sys::Line<128> work;
  work << ".work/" << part;
  int result = makeDirs(work.text(), 0700);
  options << ",upperdir=" << part << ",workdir=" << work.text();
  if (result == 0 && options.full()) result = -sys::kE2big;
  // An overlay does its work as whoever mounts it, and without user namespaces init's files are the sandbox's by now.
  if (!config.users) setFileOwner(0);
  if (result == 0) result = sys::mount("overlay", target, "overlay", kNoSuid | kNoDev, options.text());
  if (!config.users) setFileOwner(uid);
  return result < 0 ? failed(Step::kOverlay, result) : Outcome{};
}

Outcome showTops(const Config& config, std::uint32_t uid) {
  for (int i = 0; i < config.topCount; ++i) {
    sys::Line<64> part;
    sys::Line<64> path;
    part << "top-" << config.tops[i].name;
    path << "/" << config.tops[i].name;
    int result = sys::makeDirAt(AT_FDCWD, part.text(), 0755);
    const bool machine = *config.templateFolder == 0;
    if (result == 0 && machine && sys::equal(config.tops[i].name, "usr")) result = ownUsualFolders();
    if (result == 0 && sys::equal(config.tops[i].name, "etc")) {
      result = sys::symlinkAt("/run/computesdk/resolv.conf", AT_FDCWD, "top-etc/resolv.conf");
    }
    if (result < 0) return failed(Step::kScratch, result);
    const Outcome shown = showPart(config, uid, part.text(), path.text(), path.text());
    if (!shown.ok()) return shown;
  }
  return {};
}

}  // namespace computesdk::local
