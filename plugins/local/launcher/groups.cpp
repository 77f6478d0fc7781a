// The control groups of a sandbox, where the host could prepare a place for them: hard limits.
#include "../limits/settings.hpp"
#include "launcher.hpp"

namespace computesdk::local {
namespace {

using limits::GroupKind;
using limits::kControllers;

constexpr int kRemoveDir = 0x200;
// The kernel's own files are there, and it makes no others; in a tree of plain files, which tests look at, there are
// none yet.
constexpr int kWrite = O_WRONLY | O_CREAT;

int put(int folder, const limits::Setting& setting) {
  const int fd = sys::openAt(folder, setting.file, kWrite, 0644);
  if (fd < 0) return fd;
  const sys::Word written = sys::writeFd(fd, setting.value, setting.size);
  sys::closeFd(fd);
  return written < 0 ? static_cast<int>(written) : 0;
}

int openFolder(int parent, const char* id) {
  const int made = sys::makeDirAt(parent, id, 0755);
  if (made < 0 && made != -sys::kEexist) return made;
  return sys::openAt(parent, id, O_RDONLY | O_DIRECTORY);
}

// The box's folders, one a controller; of a controller that is not there, or is in the same folder as another, none.
struct Folders {
  int fds[kControllers] = {-1, -1, -1};
  int of[kControllers] = {-1, -1, -1};  // the same, but that those in one folder have it all
  ~Folders() {
    for (const int fd : fds) sys::closeFd(fd);
  }
};

int openAll(const Box& box, Folders& folders) {
  const Config& config = *launcher.config;
  int unified = -1;
  for (std::size_t i = 0; i < kControllers; ++i) {
    if (config.groups[i] < 0) continue;
    if (unified < 0) {
      folders.fds[i] = openFolder(config.groups[i], box.id);
      if (folders.fds[i] < 0) return folders.fds[i];
    }
    folders.of[i] = unified < 0 ? folders.fds[i] : unified;
    if (config.groupKind == GroupKind::kV2) unified = folders.of[i];
  }
  return 0;
}

}  // namespace

int makeGroups(Box& box, const protocol::CreateBody& spec, Birth& birth) {
  const GroupKind kind = launcher.config->groupKind;
  if (kind == GroupKind::kNone) return 0;
  box.grouped = true;
  Folders folders;
  if (const int opened = openAll(box, folders); opened < 0) return opened;
  const limits::GroupLimits wanted{spec.memoryBytes, spec.processes + protocol::kSpareProcesses, spec.milliCpus};
  for (const limits::Setting& setting : limits::settingsFor(kind, wanted)) {
    const int folder = folders.of[static_cast<std::size_t>(setting.controller)];
    if (folder < 0) continue;
    const int result = put(folder, setting);
    if (result < 0 && setting.required) return result;
  }
  for (std::size_t i = 0; i < kControllers; ++i) {
    if (folders.fds[i] < 0) continue;
    birth.groupFiles[i] = sys::openAt(folders.fds[i], "cgroup.procs", kWrite, 0644);
    if (birth.groupFiles[i] < 0) return birth.groupFiles[i];
  }
  const int memory = folders.of[static_cast<std::size_t>(limits::Controller::kMemory)];
  if (memory >= 0) {
    const char* events = kind == GroupKind::kV2 ? "memory.events" : "memory.oom_control";
    birth.oomControl = sys::openAt(memory, events, O_RDONLY);
  }
  return 0;
}

void removeGroups(Box& box) {
  if (!box.grouped) return;
  for (const int folder : launcher.config->groups) {
    if (folder >= 0) sys::unlinkAt(folder, box.id, kRemoveDir);
  }
  box.grouped = false;
}

}  // namespace computesdk::local
