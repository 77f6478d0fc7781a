#include "causes.hpp"

#include <cerrno>
#include <cstring>

namespace computesdk::local::probe {
namespace {

std::string said(int error) { return std::string("the kernel answered \"") + std::strerror(error) + "\""; }

bool filtered(Machine& machine) { return machine.read("/proc/self/status").find("\nSeccomp:\t2") != std::string::npos; }

Cause outerFilter(const std::string& what) {
  return {"a seccomp filter around this process, such as a container engine's default one, forbids " + what,
          "docker run --security-opt seccomp=unconfined …    (or a profile that allows it)"};
}

Cause userNamespaces(int error, const std::string& step, Machine& machine) {
  if (machine.read("/proc/sys/user/max_user_namespaces") == "0") {
    return {"user.max_user_namespaces is 0", "sudo sysctl -w user.max_user_namespaces=15000"};
  }
  if (error == ENOSPC || error == EUSERS) {
    return {"the limit of user namespaces, or of their nesting, is used up",
            "sudo sysctl -w user.max_user_namespaces=63000"};
  }
  if (!machine.root() && machine.read("/proc/sys/kernel/unprivileged_userns_clone") == "0") {
    return {"kernel.unprivileged_userns_clone is 0", "sudo sysctl -w kernel.unprivileged_userns_clone=1"};
  }
  // AppArmor lets the namespace be made and refuses what is done in it.
  if (machine.read("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == "1") {
    return {"kernel.apparmor_restrict_unprivileged_userns is 1: only programs with an AppArmor profile may use them",
            "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0    (or a profile with the rule userns)"};
  }
  if (filtered(machine)) return outerFilter("making user namespaces");
  if (error == ENOSYS || error == EINVAL) {
    return {"this kernel was built without user namespaces (CONFIG_USER_NS)", "Install the distribution's own kernel."};
  }
  if (step == "maps") {
    return {"the maps of a user namespace cannot be written: " + said(error),
            "Check that /proc is mounted read-write."};
  }
  return {"the kernel refused (" + said(error) + "); a chroot or a security module can be the cause",
          "sudo dmesg | grep -i -E 'apparmor|selinux|audit' | tail"};
}

Cause network(Machine& machine, int error) {
  if (error == ENOENT || error == ENODEV || error == ENXIO) {
    return {"/dev/net/tun is not there", machine.root() ? "modprobe tun" : "sudo modprobe tun"};
  }
  return {"/dev/net/tun cannot be opened: " + said(error), "sudo chmod 0666 /dev/net/tun"};
}

Cause cgroups(const std::string& detail, int error) {
  const auto says = [&](const char* words) { return detail.find(words) != std::string::npos; };
  const char* fix = "Log in by systemd (loginctl enable-linger), or: systemd-run --user -p Delegate=yes COMMAND";
  if (says("cgroup v1")) fix = "Run as root, or boot with systemd.unified_cgroup_hierarchy=1.";
  if (says("no cgroup file system")) fix = "sudo mount -t cgroup2 none /sys/fs/cgroup";
  if (says("memory controller")) fix = "Boot with cgroup_enable=memory.";
  return {detail.empty() ? said(error) : detail, fix};
}

Cause needsKernel(const char* what, const char* version, int error, Machine& machine) {
  if ((error == EPERM || error == ENOSYS) && filtered(machine)) return outerFilter(what);
  if (error == ENOSYS) {
    return {std::string("this kernel has no ") + what, std::string("Use Linux ") + version + " or newer."};
  }
  return {said(error), std::string("Use Linux ") + version + " or newer."};
}

}  // namespace

Cause causeOf(Primitive primitive, int error, const std::string& detail, Machine& machine) {
  switch (primitive) {
    case Primitive::kUserNamespaces: return userNamespaces(error, detail, machine);
    case Primitive::kNamespaces:
      if (error == ENOSPC || error == EUSERS) {
        return {
            "a limit of namespaces (user.max_net_namespaces and its kin) is used up",
            "sudo sysctl -w user.max_net_namespaces=63000 user.max_mnt_namespaces=63000 user.max_pid_namespaces=63000"};
      }
      return needsKernel("the namespaces", "4.6", error, machine);
    case Primitive::kProcMount:
      if (error == EPERM) {
        return {"parts of /proc are masked, as container engines do, and so no new one may be mounted",
                "docker run --security-opt systempaths=unconfined …    (podman: --security-opt unmask=ALL)"};
      }
      return {said(error), "Mount /proc."};
    case Primitive::kSeccomp: return needsKernel("seccomp filters", "4.14", error, machine);
    case Primitive::kClone3: return needsKernel("clone3", "5.3", error, machine);
    case Primitive::kOpenat2: return needsKernel("openat2", "5.6", error, machine);
    case Primitive::kOverlay:
      if (error == ENODEV) return {"the overlay file system is not loaded", "sudo modprobe overlay"};
      return needsKernel("overlays in user namespaces", "6.6", error, machine);
    case Primitive::kCgroups: return cgroups(detail, error);
    case Primitive::kTerminals: return {"a private /dev/pts cannot be mounted: " + said(error), "sudo modprobe devpts"};
    case Primitive::kTun: return network(machine, error);
    case Primitive::kNetworkHelper: return {"neither pasta nor slirp4netns is installed", "sudo apt-get install passt"};
    case Primitive::kBubblewrap:
      if (error == ENOENT) return {"bwrap is not installed", "sudo apt-get install bubblewrap"};
      return {"bwrap makes no namespaces either: bwrap --unshare-user --ro-bind / / true fails",
              "sudo dmesg | grep -i -E 'apparmor|selinux|audit' | tail"};
    case Primitive::kMemfd:
      if (machine.read("/proc/sys/vm/memfd_noexec") == "2") {
        return {"vm.memfd_noexec is 2", "sudo sysctl -w vm.memfd_noexec=1"};
      }
      return needsKernel("memfd_create", "3.17", error, machine);
    case Primitive::kPidfd: return needsKernel("pidfd_open", "5.3", error, machine);
  }
  return {said(error), {}};
}

}  // namespace computesdk::local::probe
