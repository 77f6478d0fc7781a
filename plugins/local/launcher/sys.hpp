// The helper's whole C library: raw system calls that answer -errno, and a few text functions. No allocation.
#pragma once

#include <asm/unistd.h>
#include <linux/fcntl.h>
#include <linux/sched.h>
#include <linux/stat.h>
#include <linux/time_types.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>

#if !defined(__x86_64__)
#error "The helper of the local provider is written for x86-64"
#endif

namespace computesdk::local::sys {

using Word = long;

inline Word call(Word number, Word a = 0, Word b = 0, Word c = 0, Word d = 0, Word e = 0, Word f = 0) {
  register Word r10 asm("r10") = d;
  register Word r8 asm("r8") = e;
  register Word r9 asm("r9") = f;
  Word result;
  asm volatile("syscall"
               : "=a"(result)
               : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
               : "rcx", "r11", "memory");
  return result;
}
inline Word word(const void* pointer) { return reinterpret_cast<Word>(pointer); }

constexpr int kEintr = 4, kEagain = 11, kEnoent = 2, kEacces = 13, kEexist = 17, kEinval = 22, kEnosys = 38, kEperm = 1,
              kEchild = 10, kEnotdir = 20, kEio = 5, kEnospc = 28, kEpipe = 32, kEnomem = 12, kEbusy = 16, kEnoexec = 8,
              kE2big = 7, kEnametoolong = 36, kEloop = 40, kEconnrefused = 111, kEinprogress = 115, kEtimedout = 110,
              kEisconn = 106, kEconnreset = 104, kEmfile = 24, kEopnotsupp = 95, kExdev = 18;

// Descriptors -----------------------------------------------------------------------------------------------------
inline int openAt(int folder, const char* path, int flags, int mode = 0) {
  return static_cast<int>(call(__NR_openat, folder, word(path), flags | O_CLOEXEC, mode));
}
inline int closeFd(int fd) { return fd >= 0 ? static_cast<int>(call(__NR_close, fd)) : 0; }
inline Word readFd(int fd, void* to, std::size_t size) { return call(__NR_read, fd, word(to), Word(size)); }
inline Word writeFd(int fd, const void* from, std::size_t size) { return call(__NR_write, fd, word(from), Word(size)); }
inline Word preadFd(int fd, void* to, std::size_t size, Word at) {
  return call(__NR_pread64, fd, word(to), Word(size), at);
}
inline int dup3(int from, int to, int flags) { return static_cast<int>(call(__NR_dup3, from, to, flags)); }
inline int closeRange(unsigned first, unsigned last) {
  return static_cast<int>(call(__NR_close_range, first, last, 0));
}
inline int fcntl(int fd, int command, Word argument) {
  return static_cast<int>(call(__NR_fcntl, fd, command, argument));
}
inline int pipe2(int* pair, int flags) { return static_cast<int>(call(__NR_pipe2, word(pair), flags)); }
inline int ioctl(int fd, unsigned long request, Word argument) {
  return static_cast<int>(call(__NR_ioctl, fd, Word(request), argument));
}
inline int memfdCreate(const char* name) { return static_cast<int>(call(__NR_memfd_create, word(name), 1)); }
inline int truncateFd(int fd, Word size) { return static_cast<int>(call(__NR_ftruncate, fd, size)); }
inline void* map(Word size, int protection, int flags, int fd) {
  const Word result = call(__NR_mmap, 0, size, protection, flags, fd, 0);
  return result < 0 && result > -4096 ? nullptr : reinterpret_cast<void*>(result);
}
inline void unmap(void* at, Word size) { call(__NR_munmap, word(at), size); }
constexpr int kReadWrite = 3, kMapShared = 1, kMapPrivateAnonymous = 0x22;

// Files -----------------------------------------------------------------------------------------------------------
inline int makeDirAt(int folder, const char* path, int mode) {
  return static_cast<int>(call(__NR_mkdirat, folder, word(path), mode));
}
inline int unlinkAt(int folder, const char* path, int flags) {
  return static_cast<int>(call(__NR_unlinkat, folder, word(path), flags));
}
inline int symlinkAt(const char* target, int folder, const char* path) {
  return static_cast<int>(call(__NR_symlinkat, word(target), folder, word(path)));
}
inline int renameAt(int folder, const char* from, const char* to) {
  return static_cast<int>(call(__NR_renameat2, folder, word(from), folder, word(to), 0));
}
inline int changeDirTo(int folder) { return static_cast<int>(call(__NR_fchdir, folder)); }
inline int changeDir(const char* path) { return static_cast<int>(call(__NR_chdir, word(path))); }
inline int mount(const char* source, const char* target, const char* type, unsigned long flags, const char* data) {
  return static_cast<int>(call(__NR_mount, word(source), word(target), word(type), Word(flags), word(data)));
}
inline int umount(const char* target, int flags) { return static_cast<int>(call(__NR_umount2, word(target), flags)); }

// Processes -------------------------------------------------------------------------------------------------------
[[noreturn]] inline void exitNow(int code) {
  for (;;) call(__NR_exit_group, code);
}
inline int setRlimit(int resource, std::uint64_t soft, std::uint64_t hard) {
  const std::uint64_t values[2] = {soft, hard};
  return static_cast<int>(call(__NR_prlimit64, 0, resource, word(values), 0));
}
inline int getRlimit(int pid, int resource, std::uint64_t* values) {
  return static_cast<int>(call(__NR_prlimit64, pid, resource, 0, word(values)));
}
inline int prctl(int option, Word a = 0, Word b = 0, Word c = 0, Word d = 0) {
  return static_cast<int>(call(__NR_prctl, option, a, b, c, d));
}
inline int killPid(int pid, int signal) { return static_cast<int>(call(__NR_kill, pid, signal)); }

// A child on its own stack that shares this memory; the caller sleeps until it has exec'ed or gone. `entry` must
// make raw system calls only. Inline, because the child comes back through the same instructions.
inline int spawnSharing(void* stackTop, void (*entry)(void*), void* argument) {
  constexpr Word kFlags = 0x100 /* CLONE_VM */ | 0x4000 /* CLONE_VFORK */ | 17 /* SIGCHLD */;
  Word result;
  register Word r10 asm("r10") = 0;
  register Word r8 asm("r8") = 0;
  register void (*r12)(void*) asm("r12") = entry;
  register void* r13 asm("r13") = argument;
  asm volatile(
      "syscall\n\t"
      "test %%rax, %%rax\n\t"
      "jnz 1f\n\t"
      "xor %%ebp, %%ebp\n\t"
      "mov %%r13, %%rdi\n\t"
      "call *%%r12\n\t"
      "ud2\n"
      "1:"
      : "=a"(result)
      : "a"(Word(__NR_clone)), "D"(kFlags), "S"(stackTop), "d"(Word(0)), "r"(r10), "r"(r8), "r"(r12), "r"(r13)
      : "rcx", "r11", "memory");
  return static_cast<int>(result);
}

// Time ------------------------------------------------------------------------------------------------------------
inline std::int64_t nowMs(int clock) {
  __kernel_timespec time{};
  call(__NR_clock_gettime, clock, word(&time));
  return time.tv_sec * 1000 + time.tv_nsec / 1000000;
}
constexpr int kWallClock = 0, kMonotonic = 1, kBootClock = 7;

// Sockets and epoll -----------------------------------------------------------------------------------------------
constexpr int kSeqPacket = 5, kStream = 1, kCloexec = 02000000, kNonblock = 04000;
inline int socket(int family, int type, int protocol) {
  return static_cast<int>(call(__NR_socket, family, type | kCloexec, protocol));
}
inline int socketPair(int* pair) {
  return static_cast<int>(call(__NR_socketpair, 1, kSeqPacket | kCloexec, 0, word(pair)));
}
constexpr std::uint32_t kIn = 1, kOut = 4, kError = 8, kHangup = 16, kReadHangup = 0x2000;
struct __attribute__((packed)) Event {
  std::uint32_t events;
  std::uint64_t data;
};
inline int epollCreate() { return static_cast<int>(call(__NR_epoll_create1, kCloexec)); }
inline int epollControl(int epoll, int operation, int fd, std::uint32_t events, std::uint64_t data) {
  Event event{events, data};
  return static_cast<int>(call(__NR_epoll_ctl, epoll, operation, fd, word(&event)));
}
constexpr int kAdd = 1, kRemove = 2, kModify = 3;
inline int epollWait(int epoll, Event* events, int most, int timeoutMs) {
  return static_cast<int>(call(__NR_epoll_pwait, epoll, word(events), most, timeoutMs, 0, 8));
}

// Text ------------------------------------------------------------------------------------------------------------
inline std::size_t length(const char* text) {
  std::size_t n = 0;
  while (text[n] != 0) ++n;
  return n;
}
inline bool startsWith(const char* text, const char* prefix) {
  while (*prefix != 0) {
    if (*text++ != *prefix++) return false;
  }
  return true;
}

inline bool equal(const char* left, const char* right) { return startsWith(left, right) && left[length(right)] == 0; }

// Builds short texts (paths, mount options, numbers) in place; cuts off rather than overruns, and says so.
template <std::size_t kCapacity>
class Line {
 public:
  Line() { text_[0] = 0; }
  Line& operator<<(const char* text) { return append(text, length(text)); }
  Line& operator<<(std::int64_t number) {
    if (number < 0) append("-", 1);
    return *this << static_cast<std::uint64_t>(number < 0 ? -number : number);
  }
  Line& operator<<(int number) { return *this << static_cast<std::int64_t>(number); }
  Line& operator<<(std::uint32_t number) { return *this << static_cast<std::uint64_t>(number); }
  Line& operator<<(std::uint64_t number) {
    char digits[20];
    std::size_t n = 0;
    do {
      digits[n++] = static_cast<char>('0' + number % 10);
      number /= 10;
    } while (number != 0);
    while (n > 0) append(&digits[--n], 1);
    return *this;
  }
  Line& append(const char* text, std::size_t size) {
    if (size > kCapacity - 1 - size_) {
      full_ = true;
      size = kCapacity - 1 - size_;
    }
    for (std::size_t i = 0; i < size; ++i) text_[size_ + i] = text[i];
    size_ += size;
    text_[size_] = 0;
    return *this;
  }
  const char* text() const { return text_; }
  std::size_t size() const { return size_; }
  bool full() const { return full_; }

 private:
  char text_[kCapacity];
  std::size_t size_ = 0;
  bool full_ = false;
};

// The unsigned number at the front of a text.
inline std::uint64_t number(const char* text) {
  std::uint64_t value = 0;
  while (*text >= '0' && *text <= '9') value = value * 10 + static_cast<std::uint64_t>(*text++ - '0');
  return value;
}

// Whole small file into `to`, NUL-terminated. Size, or -errno.
inline Word slurp(int folder, const char* path, char* to, std::size_t capacity) {
  const int fd = openAt(folder, path, O_RDONLY);
  if (fd < 0) return fd;
  std::size_t size = 0;
  Word n;
  while (size < capacity - 1 && (n = readFd(fd, to + size, capacity - 1 - size)) > 0) size += std::size_t(n);
  closeFd(fd);
  to[size] = 0;
  return Word(size);
}

// Writes a text over an existing file. 0 or -errno.
inline int spill(int folder, const char* path, const char* text, std::size_t size) {
  const int fd = openAt(folder, path, O_WRONLY);
  if (fd < 0) return fd;
  const Word n = writeFd(fd, text, size);
  closeFd(fd);
  return n < 0 ? static_cast<int>(n) : 0;
}

}  // namespace computesdk::local::sys
