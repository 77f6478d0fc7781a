// Does each thing that isolation is made of, each in a child of its own, and tells which errno it met.
#include "../launcher/helper.hpp"

#include <linux/filter.h>
#include <linux/openat2.h>

#include "../launcher/sys.hpp"
#include "tries.hpp"

namespace computesdk::local {
namespace {

using probe::Findings;

constexpr unsigned long kRecursive = 16384, kPrivate = 1UL << 18;
constexpr sys::Word kUnusedUid = 0x77ffffff;

Findings* findings;  // shared with the children
sys::Word uid, gid;

int put(const char* path, const char* text, std::size_t size) { return sys::spill(AT_FDCWD, path, text, size); }

// A user namespace in which this process is a user with all capabilities.
int userNamespace() {
  findings->userStep = probe::kStepCreate;
  sys::Word result = sys::call(__NR_unshare, CLONE_NEWUSER);
  if (result < 0) return static_cast<int>(result);
  findings->userStep = probe::kStepMaps;
  sys::Line<64> users, groups;
  users << kInnerUid << " " << uid << " 1";
  groups << kInnerUid << " " << gid << " 1";
  int written = put("/proc/self/setgroups", "deny", 4);
  if (written == 0) written = put("/proc/self/uid_map", users.text(), users.size());
  if (written == 0) written = put("/proc/self/gid_map", groups.text(), groups.size());
  if (written < 0) return written;
  findings->userStep = probe::kStepUse;  // AppArmor may give a namespace and then refuse every capability in it
  result = sys::call(__NR_unshare, CLONE_NEWUTS);
  if (result == 0) result = sys::call(__NR_sethostname, sys::word("probe"), 5);
  return static_cast<int>(result);
}

int mountNamespace() {
  const int result = userNamespace();
  if (result < 0) return result;
  const sys::Word entered = sys::call(__NR_unshare, CLONE_NEWNS);
  return entered < 0 ? static_cast<int>(entered) : sys::mount("none", "/", nullptr, kRecursive | kPrivate, nullptr);
}

// An empty tmpfs over a folder that every machine has; the current folder is in it afterwards.
int scratch() {
  int result = mountNamespace();
  if (result == 0) result = sys::mount("tmpfs", "/tmp", "tmpfs", 0, "size=1m");
  return result == 0 ? sys::changeDir("/tmp") : result;
}

int tryNamespaces() {
  const int result = userNamespace();
  constexpr sys::Word kAll = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP;
  return result < 0 ? result : static_cast<int>(sys::call(__NR_unshare, kAll));
}

int tryProcMount() {
  int result = mountNamespace();
  if (result < 0) return result;
  result = static_cast<int>(sys::call(__NR_unshare, CLONE_NEWPID));
  if (result < 0) return result;
  const auto child = static_cast<int>(sys::call(__NR_fork));
  if (child == 0) sys::exitNow(-sys::mount("proc", "/proc", "proc", 0, nullptr));
  int status = 0;
  if (child > 0) sys::call(__NR_wait4, child, sys::word(&status), 0, 0);
  return child < 0 ? child : -(status >> 8 & 0xff);
}

int trySeccomp() {
  sys::prctl(38 /* PR_SET_NO_NEW_PRIVS */, 1);
  sock_filter allow[] = {{0x06 /* return */, 0, 0, 0x7fff0000 /* SECCOMP_RET_ALLOW */}};
  const sock_fprog program{1, allow};
  return static_cast<int>(sys::call(__NR_seccomp, 1, 0, sys::word(&program)));
}

int tryClone3() {
  clone_args arguments{};
  arguments.exit_signal = 17;
  const auto child = static_cast<int>(sys::call(__NR_clone3, sys::word(&arguments), sizeof arguments));
  if (child == 0) sys::exitNow(0);
  if (child > 0) sys::call(__NR_wait4, child, 0, 0, 0);
  return child < 0 ? child : 0;
}

int tryOpenat2() {
  const int root = sys::openAt(AT_FDCWD, "/", O_DIRECTORY | O_PATH);
  open_how how{};
  how.flags = O_PATH | O_CLOEXEC;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  const sys::Word fd = sys::call(__NR_openat2, root, sys::word("/../.."), sys::word(&how), sizeof how);
  return fd < 0 ? static_cast<int>(fd) : 0;
}

int tryOverlay() {
  int result = scratch();
  for (const char* name : {"lower", "upper", "work", "merged"}) {
    if (result == 0) result = sys::makeDirAt(AT_FDCWD, name, 0755);
  }
  if (result < 0) return result;
  result = sys::mount("overlay", "merged", "overlay", 0, "lowerdir=lower,upperdir=upper,workdir=work,userxattr");
  if (result < 0) return result;
  const int file = sys::openAt(AT_FDCWD, "merged/file", O_WRONLY | O_CREAT, 0644);
  return file < 0 ? file : 0;
}

int tryTerminals() {
  int result = scratch();
  if (result == 0) result = sys::makeDirAt(AT_FDCWD, "pts", 0755);
  if (result == 0) result = sys::mount("devpts", "pts", "devpts", 0, "newinstance,ptmxmode=0666");
  if (result < 0) return result;
  const int master = sys::openAt(AT_FDCWD, "pts/ptmx", O_RDWR | O_NOCTTY);
  return master < 0 ? master : 0;
}

int tryTun() {
  const int tun = sys::openAt(AT_FDCWD, "/dev/net/tun", O_RDWR);
  return tun < 0 ? tun : 0;
}

int tryMemfd() {
  constexpr unsigned kSealable = 1 | 2, kExec = 0x10;
  sys::Word fd = sys::call(__NR_memfd_create, sys::word("probe"), kSealable | kExec);
  if (fd < 0) fd = sys::call(__NR_memfd_create, sys::word("probe"), kSealable);
  if (fd < 0) return static_cast<int>(fd);
  return sys::fcntl(static_cast<int>(fd), 1033 /* F_ADD_SEALS */, 0xf);
}

int tryPidfd() {
  const sys::Word fd = sys::call(__NR_pidfd_open, sys::call(__NR_getpid), 0);
  if (fd < 0) return static_cast<int>(fd);
  return static_cast<int>(sys::call(__NR_pidfd_send_signal, fd, 0, 0, 0));
}

// An errno of what it met; of a child that a filter killed ENOSYS's neighbour in meaning.
void tryInChild(probe::Try which, int (*attempt)()) {
  constexpr int kKilled = sys::kEnosys;
  const auto child = static_cast<int>(sys::call(__NR_fork));
  if (child == 0) sys::exitNow(-attempt());
  if (child < 0) {
    findings->error[which] = -child;
    return;
  }
  int status = 0;
  while (sys::call(__NR_wait4, child, sys::word(&status), 0, 0) == -sys::kEintr) {
  }
  findings->error[which] = (status & 0x7f) != 0 ? kKilled : status >> 8 & 0xff;
}

}  // namespace

int helperMain(int) {
  sys::closeRange(probe::kProbeSocket + 1, ~0U);
  findings = static_cast<Findings*>(sys::map(4096, sys::kReadWrite, sys::kMapShared | 0x20 /* ANONYMOUS */, -1));
  if (findings == nullptr) return 1;
  const bool root = sys::call(__NR_geteuid) == 0;
  tryInChild(probe::kTryTun, tryTun);  // root opens it for the helper
  if (root) {
    sys::call(__NR_setgroups, 0, 0);
    sys::call(__NR_setresgid, kUnusedUid, kUnusedUid, kUnusedUid);
    sys::call(__NR_setresuid, kUnusedUid, kUnusedUid, kUnusedUid);
    sys::prctl(4 /* PR_SET_DUMPABLE */, 1);
  }
  uid = sys::call(__NR_geteuid);
  gid = sys::call(__NR_getegid);
  const struct {
    probe::Try which;
    int (*attempt)();
  } tries[] = {{probe::kTryNamespaces, tryNamespaces}, {probe::kTryProcMount, tryProcMount},
               {probe::kTrySeccomp, trySeccomp},       {probe::kTryClone3, tryClone3},
               {probe::kTryOpenat2, tryOpenat2},       {probe::kTryOverlay, tryOverlay},
               {probe::kTryTerminals, tryTerminals},   {probe::kTryMemfd, tryMemfd},
               {probe::kTryPidfd, tryPidfd},           {probe::kTryUserNamespace, userNamespace}};
  for (const auto& one : tries) tryInChild(one.which, one.attempt);
  return sys::writeFd(probe::kProbeSocket, findings, sizeof *findings) == sizeof *findings ? 0 : 1;
}

}  // namespace computesdk::local
