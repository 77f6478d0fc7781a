// local_primitives_bench: what the kernel asks for each thing that a sandbox is made of, so that one sees where the
// microseconds of a create go.
//
//   local_primitives_bench --n N   prints METRIC NANOSECONDS, a line a sample: each primitive in a fresh child of its
//                                  own, timed around the one call
//
// One that this machine refuses is said on stderr and left out.
#include <seccomp_filter.inc.hpp>

#include <linux/seccomp.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <iterator>
#include <optional>
#include <string>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

struct Primitive {
  const char* name;
  std::function<bool()> before;  // in the child, not timed
  std::function<bool()> work;    // timed
};

bool unshared(int flags) { return ::unshare(flags) == 0; }

// A user namespace, and a mount namespace that nothing leaves: where mounts may be tried.
bool ownMounts() {
  return unshared(CLONE_NEWUSER | CLONE_NEWNS) && ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
}

bool loopbackUp() {
  const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  ifreq request{};
  std::strcpy(request.ifr_name, "lo");
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  const bool done = fd >= 0 && ::ioctl(fd, SIOCSIFFLAGS, &request) == 0;
  ::close(fd);
  return done;
}

// The sandboxes' own.
bool loadFilter() {
  sock_filter* const program = const_cast<sock_filter*>(computesdk::local::kFilter);
  const sock_fprog filter{std::size(computesdk::local::kFilter), program};
  return ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter) == 0;
}

bool tmpfs() { return ::mount("tmpfs", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=1m") == 0; }

std::vector<Primitive> primitives() {
  const auto nothing = [] { return true; };
  const auto user = [] { return unshared(CLONE_NEWUSER); };
  const auto one = [user](const char* name, int flag) {
    return Primitive{name, user, [flag] { return unshared(flag); }};
  };
  return {
      {"user_namespace", nothing, user},
      one("mount_namespace", CLONE_NEWNS),
      one("network_namespace", CLONE_NEWNET),
      one("ipc_namespace", CLONE_NEWIPC),
      one("uts_namespace", CLONE_NEWUTS),
      one("cgroup_namespace", CLONE_NEWCGROUP),
      {"loopback_up", [] { return unshared(CLONE_NEWUSER | CLONE_NEWNET); }, loopbackUp},
      {"mount_tmpfs", ownMounts, tmpfs},
      {"bind_mount", ownMounts, [] { return ::mount("/usr", "/tmp", nullptr, MS_BIND, nullptr) == 0; }},
      {"mount_devpts", [] { return ownMounts() && tmpfs(); },
       [] { return ::mount("devpts", "/tmp", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,mode=0620") == 0; }},
      {"bounding_set", user,
       [] {
         for (int capability = 0; ::prctl(PR_CAPBSET_DROP, capability) == 0; ++capability) {
         }
         return true;
       }},
      {"seccomp_filter", [] { return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0; }, loadFilter},
  };
}

// Nothing: the machine refuses it.
std::optional<long long> sample(const Primitive& primitive) {
  int ends[2];
  if (::pipe(ends) != 0) return std::nullopt;
  const pid_t child = ::fork();
  if (child == 0) {
    if (!primitive.before()) ::_exit(1);
    const auto begin = Clock::now();
    const bool done = primitive.work();
    const long long took = std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - begin).count();
    if (!done || ::write(ends[1], &took, sizeof took) != sizeof took) ::_exit(1);
    ::_exit(0);
  }
  ::close(ends[1]);
  long long took = 0;
  const bool heard = child > 0 && ::read(ends[0], &took, sizeof took) == sizeof took;
  ::close(ends[0]);
  if (child > 0) ::waitpid(child, nullptr, 0);
  return heard ? std::optional(took) : std::nullopt;
}

}  // namespace

int main(int argc, char** argv) {
  const int samples =
      argc == 3 && std::strcmp(argv[1], "--n") == 0 ? static_cast<int>(std::strtol(argv[2], nullptr, 10)) : 0;
  if (samples <= 0) {
    std::fprintf(stderr, "usage: local_primitives_bench --n N\n");
    return 2;
  }
  for (int i = 0; i < samples; ++i) {
    for (const Primitive& primitive : primitives()) {
      if (const auto took = sample(primitive)) {
        std::printf("%s %lld\n", primitive.name, *took);
        std::fflush(stdout);  // else a child prints it again
      } else if (i == 0) {
        std::fprintf(stderr, "local_primitives_bench: this machine refuses %s\n", primitive.name);
      }
    }
  }
  return 0;
}
