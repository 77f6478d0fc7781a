// What a command inside may not ask of the kernel, whatever its privileges. One list for every engine.
#pragma once

namespace computesdk::local::policy {

// Refused with EPERM. Most need capabilities that nobody inside has; they are here so that a kernel bug behind
// them is out of reach too.
inline constexpr const char* kDenied[] = {
    // mounts, old and new interface
    "mount",
    "umount2",
    "pivot_root",
    "chroot",
    "fsopen",
    "fsconfig",
    "fsmount",
    "fspick",
    "move_mount",
    "open_tree",
    "mount_setattr",
    // namespaces
    "setns",
    "unshare",
    // keyrings are not namespaced by process
    "keyctl",
    "add_key",
    "request_key",
    // large kernel interfaces with a history
    "bpf",
    "perf_event_open",
    "userfaultfd",
    "io_uring_setup",
    "io_uring_enter",
    "io_uring_register",
    "fanotify_init",
    "fanotify_mark",
    "lookup_dcookie",
    // ways round the file system's root
    "open_by_handle_at",
    "name_to_handle_at",
    // the machine itself
    "kexec_load",
    "kexec_file_load",
    "init_module",
    "finit_module",
    "delete_module",
    "swapon",
    "swapoff",
    "acct",
    "quotactl",
    "quotactl_fd",
    "reboot",
    "sethostname",
    "setdomainname",
    "iopl",
    "ioperm",
    "modify_ldt",
    "vhangup",
    "syslog",
    "settimeofday",
    "clock_settime",
    "clock_adjtime",
    "adjtimex",
    "nfsservctl",
    // other processes' memory (ptrace stays: debuggers; init cannot be traced)
    "process_vm_readv",
    "process_vm_writev",
    "process_madvise",
    "kcmp",
    "move_pages",
    "migrate_pages",
    "mbind",
    "set_mempolicy",
    "set_mempolicy_home_node",
    // memory that no accounting sees
    "memfd_secret",
};

// Only where control groups do not hold all limits: memory that belongs to no process, and the way out of the pinned
// cores.
inline constexpr const char* kDeniedWithoutCgroups[] = {"memfd_create", "sched_setaffinity"};

// clone() with one of these is refused (its bit of NEWTIME means a signal number); clone3, whose flags a filter cannot
// see, does not exist.
inline constexpr unsigned long kNamespaceFlags[] = {
    0x00020000,  // NEWNS
    0x02000000,  // NEWCGROUP
    0x04000000,  // NEWUTS
    0x08000000,  // NEWIPC
    0x10000000,  // NEWUSER
    0x20000000,  // NEWPID
    0x40000000,  // NEWNET
};

inline constexpr unsigned long kTerminalRequests[] = {0x5412 /* TIOCSTI */, 0x541C /* TIOCLINUX */};

inline constexpr unsigned long kNetlinkFamily = 16;

// set_mempolicy_home_node: the newest number that this list was made for.
inline constexpr unsigned kNewestKnown = 450;

}  // namespace computesdk::local::policy
