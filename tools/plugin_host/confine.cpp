#include "confine.hpp"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <vector>

namespace computesdk::plugin_host {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;  // the shadow memory alone is over any limit on data
#else
constexpr bool kSanitized = false;
#endif

#if defined(__x86_64__)
constexpr std::uint32_t kArchitecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr std::uint32_t kArchitecture = AUDIT_ARCH_AARCH64;
#else
#error "no system call filter for this architecture"
#endif

constexpr rlim_t kDataLimit = rlim_t{1} << 30;
constexpr rlim_t kDescriptorLimit = 256;

/// Answered with EPERM: programs, sockets, other processes, and doors into the kernel that a provider has no use for.
constexpr int kDenied[] = {
    SYS_execve,
    SYS_execveat,
    SYS_socket,
    SYS_socketpair,
    SYS_ptrace,
    SYS_unshare,
    SYS_setns,
    SYS_mount,
    SYS_umount2,
    SYS_pivot_root,
    SYS_chroot,
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_bpf,
    SYS_perf_event_open,
    SYS_userfaultfd,
    SYS_keyctl,
    SYS_add_key,
    SYS_request_key,
    SYS_io_uring_setup,
    SYS_io_uring_enter,
    SYS_io_uring_register,
    SYS_pidfd_open,
    SYS_pidfd_getfd,
    SYS_pidfd_send_signal,
    SYS_kexec_load,
    SYS_init_module,
    SYS_finit_module,
    SYS_delete_module,
    SYS_open_by_handle_at,
    SYS_move_pages,
    SYS_migrate_pages,
    SYS_reboot,
    SYS_swapon,
    SYS_swapoff,
    SYS_setrlimit,
    SYS_personality,
#if defined(__x86_64__)
    SYS_fork,
    SYS_vfork,
    SYS_modify_ldt,
#endif
};

/// Their first argument must be this process, or 0 for it: no signals to anybody else.
constexpr int kToSelf[] = {SYS_kill, SYS_tgkill, SYS_rt_sigqueueinfo, SYS_rt_tgsigqueueinfo};

sock_filter load(std::size_t offset) { return BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(offset)); }
sock_filter answer(std::uint32_t action) { return BPF_STMT(BPF_RET | BPF_K, action); }
sock_filter skipUnless(std::uint32_t value, std::uint8_t skip) {
  return BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, skip);
}

std::vector<sock_filter> makeFilter() {
  constexpr std::uint32_t kErrno = SECCOMP_RET_ERRNO;
  constexpr std::size_t kFirstArgument = offsetof(seccomp_data, args);
  std::vector<sock_filter> code = {load(offsetof(seccomp_data, arch)),
                                   BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kArchitecture, 1, 0),
                                   answer(SECCOMP_RET_KILL_PROCESS), load(offsetof(seccomp_data, nr))};
#if defined(__x86_64__)
  // The x32 numbers are the same calls under another name.
  code.push_back(BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000, 0, 1));
  code.push_back(answer(kErrno | ENOSYS));
#endif
  for (int number : kDenied) {
    code.push_back(skipUnless(static_cast<std::uint32_t>(number), 1));
    code.push_back(answer(kErrno | EPERM));
  }
  // Its flags are behind a pointer, where a filter cannot look. glibc falls back to clone.
  code.push_back(skipUnless(SYS_clone3, 1));
  code.push_back(answer(kErrno | ENOSYS));
  // Threads, no children.
  code.push_back(skipUnless(SYS_clone, 4));
  code.push_back(load(kFirstArgument));
  code.push_back(BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, CLONE_THREAD, 1, 0));
  code.push_back(answer(kErrno | EPERM));
  code.push_back(answer(SECCOMP_RET_ALLOW));
  const auto self = static_cast<std::uint32_t>(::getpid());
  for (int number : kToSelf) {
    code.push_back(skipUnless(static_cast<std::uint32_t>(number), 4));
    code.push_back(load(kFirstArgument));
    code.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, self, 1, 0));
    code.push_back(answer(kErrno | EPERM));
    code.push_back(answer(SECCOMP_RET_ALLOW));
  }
  // Limits may be read, not set.
  code.push_back(skipUnless(SYS_prlimit64, 4));
  code.push_back(load(kFirstArgument + 2 * sizeof(std::uint64_t)));
  code.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0));
  code.push_back(answer(kErrno | EPERM));
  code.push_back(answer(SECCOMP_RET_ALLOW));
  code.push_back(answer(SECCOMP_RET_ALLOW));
  return code;
}

std::string failure(const char* what) { return std::string(what) + ": " + std::strerror(errno); }

/// Files may be read, never written; and no process outside, least of all the parent, can be traced or its memory read.
/// A kernel without Landlock leaves it at the system call filter.
std::string restrictFiles() {
  landlock_ruleset_attr rules{};
  rules.handled_access_fs = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |
                            LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_CHAR |
                            LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK |
                            LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM;
  const auto ruleset = static_cast<int>(::syscall(SYS_landlock_create_ruleset, &rules, sizeof rules, 0));
  if (ruleset < 0) return errno == ENOSYS || errno == EOPNOTSUPP ? std::string() : failure("landlock_create_ruleset");
  const long restricted = ::syscall(SYS_landlock_restrict_self, ruleset, 0);
  std::string error = restricted != 0 ? failure("landlock_restrict_self") : std::string();
  ::close(ruleset);
  return error;
}

std::string filterSystemCalls() {
  std::vector<sock_filter> code = makeFilter();
  const sock_fprog program{static_cast<unsigned short>(code.size()), code.data()};
  if (::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) != 0) return failure("seccomp");
  return {};
}

bool limit(__rlimit_resource_t resource, rlim_t value) {
  rlimit now{};
  if (::getrlimit(resource, &now) != 0) return false;
  if (now.rlim_max != RLIM_INFINITY && now.rlim_max < value) value = now.rlim_max;
  const rlimit wanted{value, value};
  return ::setrlimit(resource, &wanted) == 0;
}

}  // namespace

std::string confine(const Confinement& confinement) {
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return failure("PR_SET_PDEATHSIG");
  if (::getppid() != confinement.parent) return "the host is gone";
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return failure("PR_SET_NO_NEW_PRIVS");
  if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return failure("PR_SET_DUMPABLE");
  if (!limit(RLIMIT_CORE, 0)) return failure("RLIMIT_CORE");
  if (!confinement.secretsByHost) return {};
  if (!limit(RLIMIT_NOFILE, kDescriptorLimit)) return failure("RLIMIT_NOFILE");
  if (!kSanitized && !limit(RLIMIT_DATA, kDataLimit)) return failure("RLIMIT_DATA");
  if (std::string error = restrictFiles(); !error.empty()) return error;
  return filterSystemCalls();
}

}  // namespace computesdk::plugin_host
