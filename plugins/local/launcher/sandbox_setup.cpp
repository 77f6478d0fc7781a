// The first half of init's life: from a fresh clone of the launcher to a closed sandbox.
#include <seccomp_filter.inc.hpp>

#include "../limits/affinity.hpp"
#include "helper.hpp"

namespace computesdk::local {
namespace {

using protocol::Step;

constexpr unsigned long kNoSuid = 2, kNoDev = 4, kNoExec = 8, kRemount = 32, kBind = 4096, kRecursive = 16384;

// Where users have no namespaces, the made-up passwd and group know nobody with this sandbox's uid.
Outcome nameUser(std::uint32_t uid) {
  sys::Line<512> users;
  sys::Line<256> groups;
  users << "root:x:0:0:root:/root:/bin/sh\nsandbox:x:" << uid << ":" << uid << ":sandbox:/home/sandbox:/bin/sh\n"
        << "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n";
  groups << "root:x:0:\ntty:x:5:\nsandbox:x:" << uid << ":\nnogroup:x:65534:\n";
  const struct {
    const char *file, *target, *text;
    std::size_t size;
  } files[] = {{".passwd", "/etc/passwd", users.text(), users.size()},
               {".group", "/etc/group", groups.text(), groups.size()}};
  for (const auto& file : files) {
    int result = sys::openAt(AT_FDCWD, file.file, O_WRONLY | O_CREAT | O_EXCL, 0444);
    if (result < 0) return failed(Step::kScratch, result);
    const sys::Word written = sys::writeFd(result, file.text, file.size);
    sys::closeFd(result);
    if (written < 0) return failed(Step::kScratch, written);
    result = sys::mount(file.file, file.target, nullptr, kBind, nullptr);
    if (result < 0) return failed(Step::kScratch, result);
  }
  return {};
}

// Whether the first folder of an absolute path is there already.
bool hasTopFolder(const char* path) {
  const int fd = sys::openAt(AT_FDCWD, topFolder(path).text(), O_PATH);
  sys::closeFd(fd);
  return fd >= 0;
}

// One tmpfs is all that can be written; it shows at a few places. Its size is set later, by limitDisk.
Outcome mountScratch(const Config& config, Birth& birth) {
  const std::uint32_t uid = birth.spec.uid;
  sys::Line<128> options;
  options << "mode=0755,size=1m,nr_inodes=1k";
  if (!config.users) options << ",uid=" << uid << ",gid=" << uid;
  int result = sys::mount("tmpfs", "/tmp", "tmpfs", kNoSuid | kNoDev, options.text());
  if (result < 0) return failed(Step::kScratch, result);
  result = birth.scratch = sys::openAt(AT_FDCWD, "/tmp", O_RDONLY | O_DIRECTORY);
  if (result >= 0) result = sys::changeDirTo(birth.scratch);
  if (result < 0) return failed(Step::kScratch, result);
  Outcome shown = showTops(config, uid);
  if (shown.ok() && !config.users && *config.templateFolder == 0) shown = nameUser(uid);
  if (!shown.ok()) return shown;
  const struct {
    const char *folder, *target;
    int mode;
  } places[] = {{"home", "/home", 0755},    {"run", "/run", 0755},        {"vartmp", "/var/tmp", 01777},
                {"shm", "/dev/shm", 01777}, {"work", "/workspace", 0755}, {"tmp", "/tmp", 01777}};
  for (const auto& place : places) {
    result = sys::makeDirAt(AT_FDCWD, place.folder, place.mode);
    if (result == 0 && (place.mode & 01000) != 0) {
      result = static_cast<int>(sys::call(__NR_fchmodat, AT_FDCWD, sys::word(place.folder), place.mode));
    }
    if (result < 0) return failed(Step::kScratch, result);
    shown = showPart(config, uid, place.folder, nullptr, place.target);
    // A template without /var/tmp has none; what else is missing would be missed.
    const bool absent = shown.error == sys::kEnoent && sys::equal(place.target, "/var/tmp");
    if (!shown.ok() && !absent) return shown;
  }
  result = sys::mount("/workspace", "/work", nullptr, kBind, nullptr);
  if (result < 0) return failed(Step::kScratch, result);
  sys::makeDirAt(AT_FDCWD, "/home/sandbox", 0755);
  sys::makeDirAt(AT_FDCWD, "/run/computesdk", 0755);
  return {};
}

// Of the file system, whichever of its places is named.
Outcome limitDisk(const protocol::CreateBody& spec) {
  sys::Line<128> options;
  options << "size=" << spec.diskBytes << ",nr_inodes=" << spec.inodes;
  const int result = sys::mount(nullptr, "/tmp", nullptr, kRemount | kNoSuid | kNoDev, options.text());
  return result < 0 ? failed(Step::kScratch, result) : Outcome{};
}

Outcome bindUserMounts(const Config& config) {
  for (int i = 0; i < config.mountCount; ++i) {
    const UserMount& mount = config.mounts[i];
    sys::Line<32> place;
    place << "/.mounts/" << i;
    int result = sys::mount(place.text(), mount.target, nullptr, kBind | kRecursive, nullptr);
    if (result == -sys::kEnoent) {  // below a writable place, which is empty at birth
      const int probe = sys::openAt(AT_FDCWD, place.text(), O_RDONLY | O_DIRECTORY | O_NONBLOCK);
      sys::closeFd(probe);
      if (probe >= 0) {
        makeDirs(mount.target, 0755);
      } else {
        sys::Line<4200> parent;
        std::size_t end = sys::length(mount.target);
        while (end > 0 && mount.target[end - 1] != '/') --end;
        parent.append(mount.target, end > 0 ? end - 1 : 0);
        makeDirs(parent.text(), 0755);
        sys::closeFd(sys::openAt(AT_FDCWD, mount.target, O_WRONLY | O_CREAT, 0644));
      }
      result = sys::mount(place.text(), mount.target, nullptr, kBind | kRecursive, nullptr);
    }
    if (result < 0) return failed(Step::kUserMount, result);
  }
  return {};
}

Outcome raiseLoopback() {
  const int fd = sys::socket(2 /* AF_INET */, 2 /* SOCK_DGRAM */, 0);
  if (fd < 0) return failed(Step::kLoopback, fd);
  struct {
    char name[16] = "lo";
    short flags = 1 | 0x40;  // IFF_UP | IFF_RUNNING
    char rest[22] = {};
  } request;
  const int result = sys::ioctl(fd, 0x8914 /* SIOCSIFFLAGS */, sys::word(&request));
  sys::closeFd(fd);
  return result < 0 ? failed(Step::kLoopback, result) : Outcome{};
}

// Pins to N of the cores that this process may use: sandboxes of one launcher to other ones in turn.
void pinCpus(std::uint32_t milliCpus, std::uint32_t turn) {
  limits::CpuMask mask = {};
  const sys::Word size = sys::call(__NR_sched_getaffinity, 0, sizeof mask, sys::word(mask));
  if (size <= 0) return;
  limits::pickCores(mask, limits::kCpuWords, limits::coresFor(milliCpus), turn);
  sys::call(__NR_sched_setaffinity, 0, size, sys::word(mask));
}

// A limit as asked for, or what this process was itself given if that is less.
int lower(int resource, std::uint64_t value) {
  std::uint64_t now[2];
  const int result = sys::getRlimit(0, resource, now);
  if (result < 0) return result;
  if (now[1] < value) value = now[1];
  return sys::setRlimit(resource, value, value);
}

Outcome limitResources(const protocol::CreateBody& spec, std::uint32_t turn) {
  constexpr int kData = 2, kCore = 4, kProcesses = 6;
  int result = lower(kCore, 0);
  if (result == 0) result = lower(kProcesses, spec.processes + protocol::kSpareProcesses);
  if (result == 0 && (spec.flags & protocol::kCreateHardMemory) == 0) result = lower(kData, spec.memoryBytes);
  if (result < 0) return failed(Step::kResourceLimits, result);
  if ((spec.flags & protocol::kCreatePinCpus) != 0) pinCpus(spec.milliCpus, turn);
  return {};
}

Outcome dropPrivileges(const Config& config, std::uint32_t uid) {
  constexpr int kBoundingDrop = 24, kNoNewPrivileges = 38, kAmbient = 47, kClearAll = 4;
  sys::prctl(kAmbient, kClearAll);
  for (int capability = 0; capability < 64; ++capability) {
    if (sys::prctl(kBoundingDrop, capability) < 0) break;
  }
  if (!config.users) {  // every capability goes with root's identity
    sys::Word left = sys::call(__NR_setgroups, 0, 0);
    if (left == 0) left = sys::call(__NR_setresgid, uid, uid, uid);
    if (left == 0) left = sys::call(__NR_setresuid, uid, uid, uid);
    if (left < 0) return failed(Step::kDropPrivileges, left);
  }
  const struct {
    std::uint32_t version;
    int pid;
  } header{0x20080522, 0};
  const std::uint32_t none[6] = {};
  sys::Word result = sys::call(__NR_capset, sys::word(&header), sys::word(none));
  if (result == 0) result = sys::prctl(kNoNewPrivileges, 1);
  return result < 0 ? failed(Step::kDropPrivileges, result) : Outcome{};
}

Outcome loadFilter(bool allInGroups) {
  const struct {
    unsigned short count;
    const sock_filter* program;
  } program = allInGroups ? decltype(program){sizeof kFilter / sizeof *kFilter, kFilter}
                          : decltype(program){sizeof kFilterWithoutCgroups / sizeof *kFilterWithoutCgroups,
                                              kFilterWithoutCgroups};
  const sys::Word result = sys::call(__NR_seccomp, 1 /* SET_MODE_FILTER */, 0, sys::word(&program));
  return result < 0 ? failed(Step::kSeccomp, result) : Outcome{};
}

// What is done by mounting, and so before privileges go.
Outcome takeOwnPlaces(const Config& config, const protocol::CreateBody& spec) {
  const sys::Word groups = sys::call(__NR_unshare, CLONE_NEWCGROUP);  // after entering: what it is in is its root
  if (groups < 0) return failed(Step::kCgroup, groups);
  const Outcome outcome = limitDisk(spec);
  return outcome.ok() ? bindUserMounts(config) : outcome;
}

// Below none of the places that can be written and none that the root has, it becomes one more of them.
Outcome enterWorkdir(const Config& config, const Birth& birth) {
  if (!config.bubblewrap && !hasTopFolder(birth.workdir)) {
    const Outcome widened = widenRoot(config, birth);
    if (!widened.ok()) return widened;
  }
  int result = makeDirs(birth.workdir, 0755);
  if (result == 0 || result == -sys::kEexist) result = sys::changeDir(birth.workdir);
  return result < 0 ? failed(Step::kWorkdir, result) : Outcome{};
}

}  // namespace

void setFileOwner(std::uint32_t uid) {
  sys::call(__NR_setfsgid, uid);
  sys::call(__NR_setfsuid, uid);
}

Outcome takeNamespaces(const Config& config, std::uint32_t uid) {
  sys::spill(AT_FDCWD, "/proc/self/oom_score_adj", "500", 3);  // the machine's own programs outlive us
  Outcome outcome;
  if (config.users) {
    outcome = writeMaps(Step::kMapSandbox, kInnerUid, kInnerUid, false);
  } else {
    setFileOwner(uid);
  }
  if (!outcome.ok()) return outcome;
  // Here and not in the launcher's clone: it is the dearest part, and so several cores share it.
  const sys::Word network = sys::call(__NR_unshare, CLONE_NEWNET);
  if (network < 0) return failed(Step::kNetworkNamespace, network);
  sys::call(__NR_sethostname, sys::word("sandbox"), 7);
  return raiseLoopback();
}

Outcome makeRoom(const Config& config, Birth& birth) {
  const sys::Word mounts = sys::call(__NR_unshare, CLONE_NEWNS);
  if (mounts < 0) return failed(Step::kCloneSandbox, mounts);
  Outcome outcome = mountScratch(config, birth);
  if (!outcome.ok()) return outcome;
  int result = sys::mount("proc", "/proc", "proc", kNoSuid | kNoDev | kNoExec, nullptr);
  if (result < 0) return failed(Step::kSandboxProc, result);
  result = sys::mount("devpts", "/dev/pts", "devpts", kNoSuid | kNoExec, "newinstance,ptmxmode=0666,mode=0620");
  return result < 0 ? failed(Step::kTerminals, result) : Outcome{};
}

Outcome moveIn(const Config& config, Birth& birth) {
  const protocol::CreateBody& spec = birth.spec;
  for (const int file : birth.groupFiles) {
    if (file < 0) continue;
    const sys::Word entered = sys::writeFd(file, "0", 1);
    if (entered < 0) return failed(Step::kCgroup, entered);
    sys::closeFd(file);
  }
  Outcome outcome = config.bubblewrap ? checkDisk() : takeOwnPlaces(config, spec);
  if (outcome.ok()) outcome = limitResources(spec, birth.turn);
  if (!outcome.ok()) return outcome;
  if ((spec.flags & protocol::kCreateNetwork) != 0) {
    birth.network = sys::openAt(AT_FDCWD, "/proc/self/ns/net", O_RDONLY);
    if (birth.network < 0) return failed(Step::kNetworkNamespace, birth.network);
  }
  outcome = enterWorkdir(config, birth);
  if (outcome.ok()) outcome = dropPrivileges(config, spec.uid);
  const std::uint32_t held = spec.flags & (protocol::kCreateHardMemory | protocol::kCreatePinCpus);
  if (outcome.ok()) outcome = loadFilter(held == protocol::kCreateHardMemory);
  if (!outcome.ok()) return outcome;
  sys::prctl(4 /* PR_SET_DUMPABLE */, 0);  // last: closes /proc/1/* and ptrace
  return {};
}

}  // namespace computesdk::local
