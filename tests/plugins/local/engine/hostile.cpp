// A program that tries to get out. Runs inside a sandbox; each attack is one word on its command line. Prints
// "refused ERRNO" or "done", and ends with 0 when it was refused, 1 when it got through.
#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <string>

namespace {

int verdict(long result) {
  if (result >= 0) {
    printf("done\n");
    return 1;
  }
  printf("refused %d\n", errno);
  return 0;
}

int forkBomb() {
  int children = 0;
  for (int i = 0; i < 5000; ++i) {
    const pid_t pid = fork();
    if (pid == 0) {
      pause();
      _exit(0);
    }
    if (pid < 0) break;
    ++children;
  }
  printf("children %d\n", children);
  return 0;
}

// Touches `mib` MiB in one way or another, then says so.
int touch(void* at, size_t mib) {
  if (at == MAP_FAILED) return verdict(-1);
  for (size_t i = 0; i < mib << 20; i += 4096) static_cast<volatile char*>(at)[i] = 1;
  printf("touched %zu\n", mib);
  return 1;
}

int memory(const char* how, size_t mib) {
  const size_t size = mib << 20;
  const int both = PROT_READ | PROT_WRITE;
  if (strcmp(how, "private") == 0) return touch(mmap(nullptr, size, both, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), mib);
  if (strcmp(how, "shared") == 0) return touch(mmap(nullptr, size, both, MAP_SHARED | MAP_ANONYMOUS, -1, 0), mib);
  if (strcmp(how, "memfd") == 0) {
    const int fd = static_cast<int>(syscall(SYS_memfd_create, "x", 0));
    if (fd < 0) return verdict(-1);
    static char block[1 << 20];
    memset(block, 1, sizeof block);
    for (size_t i = 0; i < mib; ++i) {
      if (write(fd, block, sizeof block) < 0) return verdict(-1);
    }
    printf("wrote %zu\n", mib);
    return 1;
  }
  if (strcmp(how, "sysv") == 0) {
    const int id = shmget(IPC_PRIVATE, size, IPC_CREAT | 0600);
    void* at = id < 0 ? MAP_FAILED : shmat(id, nullptr, 0);
    if (at == reinterpret_cast<void*>(-1)) return verdict(-1);
    touch(at, mib);
    shmdt(at);
    pause();  // the segment stays, attached to nobody
  }
  if (strcmp(how, "forks") == 0) {
    for (int i = 0; i < 12; ++i) {
      if (fork() != 0) continue;
      touch(mmap(nullptr, size / 12, both, MAP_SHARED | MAP_ANONYMOUS, -1, 0), mib / 12);
      pause();
    }
    int status = 0;
    wait(&status);  // the first that is stopped ends them all
    kill(0, SIGKILL);
  }
  return 2;
}

int socketFamily(int family) { return verdict(socket(family, SOCK_STREAM, 0)); }

int abstractConnect(const char* name) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  snprintf(address.sun_path + 1, sizeof address.sun_path - 1, "%s", name);
  const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + strlen(name));
  return verdict(connect(fd, reinterpret_cast<sockaddr*>(&address), size));
}

int raiseLimit() {
  const rlimit limit{100000, 100000};
  return verdict(setrlimit(RLIMIT_NPROC, &limit));
}

int descriptors() {
  int count = 0;
  for (int fd = 3; fd < 1024; ++fd) {
    if (fcntl(fd, F_GETFD) >= 0) ++count;
  }
  printf("open %d\n", count);
  return count == 0 ? 0 : 1;
}

int machineCode32() {
#if defined(__x86_64__)
  long result = 20;  // getpid by the gate of 32-bit programs
  asm volatile("int $0x80" : "+a"(result) : : "memory", "r8", "r9", "r10", "r11");
  printf("done %ld\n", result);
  return 1;
#else
  return 0;
#endif
}

int tree(int depth) {  // a chain of processes, each leaving its session
  if (depth == 0) {
    printf("ready\n");
    fflush(stdout);
    pause();
  }
  const pid_t pid = fork();
  if (pid == 0) {
    setsid();
    _exit(tree(depth - 1));
  }
  if (depth % 2 == 0) _exit(0);
  pause();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  setvbuf(stdout, nullptr, _IONBF, 0);
  const char* what = argc > 1 ? argv[1] : "";
  const char* more = argc > 2 ? argv[2] : "";
  const auto is = [&](const char* name) { return strcmp(what, name) == 0; };
  if (is("fork-bomb")) return forkBomb();
  if (is("memory")) return memory(more, static_cast<size_t>(std::stoi(argc > 3 ? argv[3] : "1")));
  if (is("mount")) return verdict(mount("none", "/tmp", "tmpfs", 0, nullptr));
  if (is("umount")) return verdict(umount2("/usr", MNT_DETACH));
  if (is("remount")) return verdict(mount(nullptr, "/usr", nullptr, MS_REMOUNT | MS_BIND, nullptr));
  if (is("unshare-user")) return verdict(unshare(CLONE_NEWUSER));
  if (is("unshare-net")) return verdict(unshare(CLONE_NEWNET));
  if (is("setns")) return verdict(setns(open("/proc/self/ns/net", O_RDONLY), 0));
  if (is("clone-user")) return verdict(syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, nullptr, nullptr, nullptr, 0));
  if (is("clone3")) return verdict(syscall(SYS_clone3, nullptr, 0));
  if (is("setuid")) return verdict(setuid(0));
  if (is("setgroups")) return verdict(syscall(SYS_setgroups, 0, nullptr));
  if (is("chroot")) return verdict(chroot("/tmp"));
  if (is("mknod")) return verdict(mknod("/tmp/sda", S_IFBLK | 0600, 0x800));
  if (is("keyctl")) return verdict(syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_USER_KEYRING, 1));
  if (is("add-key")) return verdict(syscall(SYS_add_key, "user", "x", "y", 1, KEY_SPEC_USER_KEYRING));
  if (is("bpf")) return verdict(syscall(SYS_bpf, 0, nullptr, 0));
  if (is("perf")) return verdict(syscall(SYS_perf_event_open, nullptr, 0, -1, -1, 0));
  if (is("userfaultfd")) return verdict(syscall(SYS_userfaultfd, 0));
  if (is("io-uring")) return verdict(syscall(SYS_io_uring_setup, 1, nullptr));
  if (is("open-by-handle")) return verdict(syscall(SYS_open_by_handle_at, -1, nullptr, 0));
  if (is("ptrace-init")) return verdict(ptrace(PTRACE_ATTACH, 1, nullptr, nullptr));
  if (is("init-memory")) return verdict(open("/proc/1/mem", O_RDWR));
  if (is("init-environ")) return verdict(open("/proc/1/environ", O_RDONLY));
  if (is("init-exe")) return verdict(open("/proc/1/exe", O_RDWR));
  if (is("init-root")) return verdict(open("/proc/1/root/etc", O_RDONLY));
  if (is("init-fd")) return verdict(open("/proc/1/fd", O_RDONLY | O_DIRECTORY));
  if (is("process-vm")) return verdict(syscall(SYS_process_vm_readv, getpid(), nullptr, 0, nullptr, 0, 0));
  if (is("sysctl")) return verdict(open("/proc/sys/kernel/core_pattern", O_WRONLY));
  if (is("sysrq")) return verdict(open("/proc/sysrq-trigger", O_WRONLY));
  if (is("kcore")) return verdict(open("/proc/kcore", O_RDONLY));
  if (is("reboot")) return verdict(syscall(SYS_reboot, 0xfee1dead, 672274793, 0x89abcdef, nullptr));
  if (is("personality")) return verdict(syscall(SYS_personality, 0x0040000));
  if (is("write-usr")) return verdict(open("/usr/bin/x", O_WRONLY | O_CREAT, 0644));
  if (is("write-root")) return verdict(open("/x", O_WRONLY | O_CREAT, 0644));
  if (is("tiocsti")) {
    const int terminal = open("/dev/pts/ptmx", O_RDWR);
    char c = 'x';
    return verdict(ioctl(terminal, TIOCSTI, &c));
  }
  if (is("tiocsti-high")) return verdict(syscall(SYS_ioctl, 0, 0x100000000ULL | TIOCSTI, "x"));
  if (is("family")) return socketFamily(std::stoi(more));
  if (is("netlink")) return verdict(socket(AF_NETLINK, SOCK_RAW, std::stoi(more)));
  if (is("raw")) return verdict(socket(AF_INET, SOCK_RAW, 1));
  if (is("abstract")) return abstractConnect(more);
  if (is("raise-limit")) return raiseLimit();
  if (is("descriptors")) return descriptors();
  if (is("32-bit")) return machineCode32();
  if (is("kill-all")) return verdict(kill(-1, SIGKILL));
  if (is("kill-init")) return kill(1, SIGKILL) == 0 ? 0 : verdict(-1);
  if (is("tree")) return tree(std::stoi(more));
  if (is("x32")) return verdict(syscall(0x40000000 | 39));
  if (is("newer")) return verdict(syscall(100000));
  fprintf(stderr, "hostile: unknown attack %s\n", what);
  return 3;
}
