#include "diagnosis.hpp"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "unique_fd.hpp"

namespace computesdk::local {
namespace {

using protocol::Step;

std::string fileText(const char* path) {
  UniqueFd file(open(path, O_RDONLY | O_CLOEXEC));
  char text[4096];
  const ssize_t n = file ? read(file.get(), text, sizeof text) : -1;
  std::string result(text, n > 0 ? static_cast<std::size_t>(n) : 0);
  while (!result.empty() && result.back() == '\n') result.pop_back();
  return result;
}

const char* describe(Step step) {
  switch (step) {
    case Step::kFrame: return "reading the start orders";
    case Step::kSetUser: return "changing to an unprivileged user";
    case Step::kCloneOuter: return "making a user namespace";
    case Step::kMapOuter: return "writing the user namespace's id maps";
    case Step::kPrivateMounts: return "making the mounts private";
    case Step::kTemplateRoot: return "mounting the template root";
    case Step::kTemplateMount: return "filling the template root";
    case Step::kUserMount: return "placing one of the given mounts";
    case Step::kMountProc: return "mounting /proc in a new pid namespace";
    case Step::kPivot: return "changing the root";
    case Step::kRegistry: return "writing the sandbox's registry entry";
    case Step::kCgroup: return "making the sandbox's cgroup";
    case Step::kCloneSandbox: return "making the sandbox's namespaces";
    case Step::kMapSandbox: return "writing the sandbox's id maps";
    case Step::kNetworkNamespace: return "making the network namespace";
    case Step::kScratch: return "mounting the sandbox's disk";
    case Step::kOverlay: return "laying an overlay over the base";
    case Step::kSandboxProc: return "mounting the sandbox's /proc";
    case Step::kTerminals: return "mounting the sandbox's terminals";
    case Step::kLoopback: return "starting the loopback interface";
    case Step::kWorkdir: return "entering the working folder";
    case Step::kResourceLimits: return "setting resource limits";
    case Step::kDropPrivileges: return "dropping privileges";
    case Step::kSeccomp: return "loading the system call filter";
    case Step::kNetworkHelper: return "starting the network helper";
    case Step::kFull: return "finding room for one more sandbox";
    case Step::kBubblewrap: return "starting bubblewrap";
    default: return "starting the sandbox";
  }
}

struct Cause {
  const char* why;
  const char* fix;
};

Cause namespaceCause(Step step, int error, const MachineFacts& facts) {
  if (facts.maxUserNamespaces == "0" || (error == ENOSPC && facts.maxUserNamespaces == "0")) {
    return {"user.max_user_namespaces is 0: this system forbids user namespaces.",
            "As root: sysctl -w user.max_user_namespaces=15000 (keep it in /etc/sysctl.d/)."};
  }
  if (error == ENOSPC || error == EUSERS) {
    return {"The limit of namespaces or of their nesting (32 levels) is used up.",
            "Raise user.max_user_namespaces, user.max_net_namespaces and their kin, or end sandboxes that are not "
            "needed (computesdk ls)."};
  }
  if (facts.unprivilegedClone == "0" && !facts.root) {
    return {"kernel.unprivileged_userns_clone is 0: only root may make user namespaces.",
            "As root: sysctl -w kernel.unprivileged_userns_clone=1 (keep it in /etc/sysctl.d/)."};
  }
  if (facts.apparmorRestricts == "1" && !facts.root) {
    return {
        "kernel.apparmor_restrict_unprivileged_userns is 1: AppArmor lets only profiled programs use user "
        "namespaces.",
        "Give the program an AppArmor profile with the rule `userns,`, or as root: sysctl -w "
        "kernel.apparmor_restrict_unprivileged_userns=0."};
  }
  if (error == ENOSYS || facts.seccompMode == "2") {
    return {"A seccomp filter around this process forbids it, as container engines' default profiles do.",
            "Run the container with --security-opt seccomp=unconfined, or with a profile that allows clone, unshare, "
            "mount, pivot_root and setns."};
  }
  if (step == Step::kCloneOuter && error == EPERM) {
    return {"The kernel refused. A chroot or a security module (SELinux, Yama, AppArmor) can be the cause.",
            "Run outside the chroot, or look for the refusal in the kernel log (dmesg)."};
  }
  if (error == EINVAL) {
    return {"This kernel was built without one of the namespaces (CONFIG_USER_NS, PID_NS, NET_NS, IPC_NS, UTS_NS).",
            "Use a kernel that has them."};
  }
  return {"The kernel refused.", "Look for the refusal in the kernel log (dmesg)."};
}

Cause causeOf(Step step, int error, const MachineFacts& facts) {
  switch (step) {
    case Step::kMountProc:
    case Step::kSandboxProc:
      return {
          "/proc is partly covered here, as it is in most containers; the kernel allows a new one only where a "
          "whole one is visible.",
          "Run the container with --security-opt systempaths=unconfined (Docker), or procMount: Unmasked "
          "(Kubernetes)."};
    case Step::kUserMount:
      return {"The source of a mount is missing or cannot be entered by the user of the sandbox.",
              "Check the path and the permissions of each folder above it."};
    case Step::kWorkdir:
      return {"The working folder lies in a part of the root that is read-only.",
              "Choose one below /work, /home or /tmp, or a top folder of its own such as /app."};
    case Step::kScratch:
      return {"The disk of a sandbox is memory; the size given was refused.", "Ask for a smaller disk."};
    case Step::kOverlay:
      return {
          "Overlays without root need Linux 5.11, and 6.6 for one whose top is memory; or something is mounted below "
          "the folder.",
          "Leave the base as it is: --option writable=none."};
    case Step::kFull:
      return error == EEXIST ? Cause{"The id is in use.", "Try again."}
                             : Cause{"One process may have 2048 sandboxes at a time.", "End some of them."};
    case Step::kRegistry:
      return {"Its folder is below XDG_RUNTIME_DIR, or /tmp.", "Make room there, or check its owner."};
    case Step::kCgroup:
      return {"The cgroup tree did not accept the limit.", "Ask for a larger limit, or let limits be soft."};
    case Step::kResourceLimits:
      return {"The limits of this process are below what a sandbox needs.", "Raise them (ulimit -Hn, ulimit -Hu)."};
    case Step::kBubblewrap:
      if (error != EXDEV) break;
      return {"This version of bubblewrap does not show one disk in several places.",
              "Use another one; version 0.8 does."};
    default: break;
  }
  return namespaceCause(step, error, facts);
}

ErrorClass classOf(Step step) {
  switch (step) {
    case Step::kWorkdir:
    case Step::kUserMount: return ErrorClass::kInvalidArgument;
    case Step::kOverlay: return ErrorClass::kFailedPrecondition;
    case Step::kScratch:
    case Step::kFull:
    case Step::kRegistry:
    case Step::kResourceLimits: return ErrorClass::kResourceExhausted;
    case Step::kCgroup: return ErrorClass::kFailedPrecondition;
    default: return ErrorClass::kUnavailable;
  }
}

}  // namespace

MachineFacts readMachineFacts() {
  MachineFacts facts;
  facts.maxUserNamespaces = fileText("/proc/sys/user/max_user_namespaces");
  facts.unprivilegedClone = fileText("/proc/sys/kernel/unprivileged_userns_clone");
  facts.apparmorRestricts = fileText("/proc/sys/kernel/apparmor_restrict_unprivileged_userns");
  const std::string status = fileText("/proc/self/status");
  facts.procMounted = !status.empty();
  const std::size_t at = status.find("\nSeccomp:\t");
  if (at != std::string::npos) facts.seccompMode = status.substr(at + 10, 1);
  utsname name{};
  if (uname(&name) == 0) facts.kernelRelease = name.release;
  facts.root = geteuid() == 0;
  return facts;
}

Error explain(Step step, int error, const MachineFacts& facts) {
  const bool machine = classOf(step) == ErrorClass::kUnavailable;
  const char* verdict = machine ? "This machine cannot isolate a sandbox: " : "The sandbox could not be made: ";
  Error result = systemError(error, std::string(verdict) + describe(step) + " failed");
  result.kind = classOf(step);
  Cause cause = causeOf(step, error, facts);
  if (!facts.procMounted) {
    cause = {"/proc is not mounted.", "Mount it: mount -t proc proc /proc."};
  }
  result.why = cause.why;
  result.fix = cause.fix;
  return result;
}

}  // namespace computesdk::local
