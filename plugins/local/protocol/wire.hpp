// The bytes between the host, the launcher and a sandbox's init: one frame is one SEQPACKET message,
// {magic, type, body size} and a flat body without nesting. Both ends run on one machine, so integers are native.
//
// Freestanding: the static helpers include this, so it uses no allocation, no exceptions and no library calls.
#pragma once

#include <cstddef>
#include <cstdint>

#include "../limits/settings.hpp"

namespace computesdk::local::protocol {

constexpr std::uint32_t kMagic = 0x314c5343;       // "CSL1"
constexpr std::size_t kMaxFrame = 96 * 1024;       // of one message; longer bodies go through a memfd
constexpr std::size_t kMaxBody = 4 * 1024 * 1024;  // of any body
constexpr std::size_t kMaxArguments = 16384;       // argv and env entries of one command
constexpr std::size_t kMaxMounts = 16;
constexpr std::size_t kMaxLayers = 64;
constexpr std::size_t kMaxId = 64;
constexpr std::size_t kTokenSize = 32;

enum class FrameType : std::uint16_t {
  // host -> launcher, on the launcher's own socket
  kStart = 1,  // StartBody, template, mounts; fds: registry folder, then one a controller (on v2 one for all)
  kCreate,     // CreateBody and strings; fds: init's end, the control end
  // launcher -> host
  kStarted = 16,  // StartedBody
  kRegistered,    // StatusBody, on the control end: the registry entry is on disk
  // host -> launcher, on a sandbox's control end (after kHello, if it came by the registry's socket)
  kHello = 32,  // token; answered by kReply
  kDestroy,     // answered by kReply{value = 1: so is the launcher, in a moment} when the sandbox is gone
  kExtend,      // u64 ms; answered by kReply{value = new end, wall ms}
  kUrl,         // u64 port; answered by kReply{value = port on 127.0.0.1}
  kAttach,      // fd: a new init's end. No answer: init sends kReady on it
  kKeep,        // u64 ms, then meta: it no longer dies with its host but is registered; answered by kReply
  kReply = 48,  // ReplyBody
  kRefused,     // launcher -> creator: what bubblewrap said when it made no sandbox
  // host -> init, on init's end. fd 0 is always the call's own channel
  kExec = 64,    // ExecBody, cwd, argv, env; fds: call, stdin, stdout, stderr (foreground)
  kDial,         // u64 port; answered by kDialled with the connected fd
  kProcesses,    // u64 slot to begin at; answered by kProcess each, then kEnd{u64 slot to go on at, 0: all given}
  kOpenProcess,  // u64 pid; answered by kProcessStarted with the ring, then its input end if it has one
  kUsage,        // answered by kUsageReply
  kFreeze,       // everything inside stands still until the call's channel closes; answered by kFrozen
  kClient,       // launcher -> init only; fd: a further init's end
  kRoot,         // launcher -> an init made before the root was: it is there
  kBirth,        // launcher -> an init made ahead: a Birth; fds: those of its descriptors that it has
  // init -> host
  kReady = 96,      // ReadyBody; fd: the sandbox's root folder
  kProcessStarted,  // ProcessBody; fds: ring or PTY master, input end
  kProcessExited,   // ExitBody
  kDialled,         // StatusBody; fd: the socket
  kProcess,         // ProcessBody and command line
  kEnd,             // u64
  kUsageReply,      // UsageBody
  kOutputGrew,      // nothing: look at the ring
  kFrozen,          // ReplyBody; fd: the folder of all that can be written
  // init -> launcher
  kBorn,  // from inside bubblewrap: it runs; fd: its pidfd
  // host -> init, on a call's channel
  kSignal = 128,  // u64 number
  kCloseInput,    // of a background command
  kSweep,         // once the command ends, end what it leaves behind as well
};

struct Header {
  std::uint32_t magic;
  std::uint16_t type;
  std::uint16_t flags;  // kBodyInMemfd
  std::uint32_t size;   // of the body
};
constexpr std::uint16_t kBodyInMemfd = 1;  // the body is in the last fd of the message

// Where setting up failed, so that the host can name cause and remedy.
enum class Step : std::uint32_t {
  kNone,
  kFrame,
  kSetUser,
  kCloneOuter,
  kMapOuter,
  kPrivateMounts,
  kTemplateRoot,
  kTemplateMount,
  kUserMount,
  kMountProc,
  kPivot,
  kRegistry,
  kCgroup,
  kCloneSandbox,
  kMapSandbox,
  kNetworkNamespace,
  kScratch,
  kOverlay,
  kSandboxProc,
  kTerminals,
  kLoopback,
  kWorkdir,
  kResourceLimits,
  kDropPrivileges,
  kSeccomp,
  kNetworkHelper,
  kFull,
  kBubblewrap,
};

enum StartFlags : std::uint32_t {
  kStartAsRoot = 1,
  kStartUnisolated = 2,
  kStartOverlay = 4,       // the base's folders can be written, each sandbox in its own way
  kStartWithoutUsers = 8,  // no user namespaces: the launcher stays root, and each sandbox takes on a uid of its own
  kStartBubblewrap = 16,   // bubblewrap makes the namespaces; its path follows the layers
};

struct StartBody {
  std::uint32_t flags;
  std::uint32_t sandboxUid;  // of the launcher and everything below, in the host's numbers
  limits::GroupKind groups;
  limits::ControllerSet controllers;  // that hold limits
  std::uint32_t mounts;               // count of (source, target, writable) that follow the template's text
  std::uint32_t layers;               // count of folders that follow those: of snapshots, topmost first
};

struct StartedBody {
  Step step;  // kNone: ready
  std::int32_t error;
};

enum CreateFlags : std::uint32_t {
  kCreateDieWithHost = 1,
  kCreateRegistered = 2,
  kCreateHardMemory = 4,  // a control group holds the limit: no watchdog
  kCreatePinCpus = 8,     // none holds the share of the processor: affinity
  kCreateNetwork = 16,    // hand out the network namespace, for the host to connect it
};

// A sandbox's init may start a few more processes than its commands may, so that a full one can still be looked into.
constexpr std::uint32_t kSpareProcesses = 16;

struct CreateBody {
  std::uint32_t flags;
  std::uint32_t milliCpus;
  std::uint64_t memoryBytes;
  std::uint64_t diskBytes;
  std::uint64_t inodes;
  std::uint32_t processes;
  std::uint32_t openFiles;
  std::uint32_t uid;  // without user namespaces: whom the sandbox runs as
  std::uint32_t reserved;
  std::uint64_t ttlMs;
  std::uint8_t token[kTokenSize];
};

struct ReplyBody {
  std::int32_t error;  // errno, 0: done
  Step step;
  std::uint64_t value;
};

struct ReadyBody {
  Step step;  // kNone: ready, and the root's fd is with it
  std::int32_t error;
};

enum ExecFlags : std::uint32_t {
  kExecBackground = 1,  // output to a ring, which outlives the caller
  kExecPty = 2,
  kExecInput = 4,  // background: keep a pipe to its input
};

struct ExecBody {
  std::uint32_t flags;
  std::uint16_t columns, rows;
  std::uint32_t arguments;
  std::uint32_t variables;
  std::uint64_t timeoutMs;  // of a background command, 0: none. Of others the host keeps the time
};

enum class Ending : std::uint32_t {
  kRunning,
  kCode,
  kSignal,
  kNotFound,
  kNotExecutable,
  kBadFolder,
  kCannotFork,
  kTimeout,
};

struct ExitBody {
  Ending ending;
  std::int32_t value;  // code, signal number, or errno of what never started
  std::uint32_t outOfMemory;
  std::uint32_t reserved;
  std::uint64_t userMicroseconds, systemMicroseconds, maxRssBytes;
};

struct ProcessBody {
  std::int32_t pid;
  std::uint32_t flags;  // ExecFlags
  std::int64_t startedMs;
  ExitBody exit;
};

struct UsageBody {
  std::uint64_t memoryBytes;
  std::uint64_t diskUsed, diskTotal;
  std::uint64_t filesUsed, filesTotal;
  std::uint64_t cpuMicroseconds;
  std::uint32_t processes;
  std::uint32_t reserved;
};

// A background command's output: two rings in one file, written by init, read by anybody who was given the fd.
// `written` counts every byte ever; the byte at count c is at data[c % kRingSize].
constexpr std::size_t kRingSize = 1024 * 1024;
constexpr std::size_t kRingHeader = 4096;
// Init writes at most this far past `written` before it moves the count, so the oldest kRingSlack bytes of a full
// ring are not to be trusted.
constexpr std::size_t kRingSlack = 64 * 1024;
struct RingHeader {
  std::uint64_t magic;
  std::uint64_t written[2];
  std::uint32_t ended;  // the exit below is final and no more output comes
  std::uint32_t reserved;
  ExitBody exit;
};
constexpr std::size_t ringOffset(int stream) { return kRingHeader + static_cast<std::size_t>(stream) * kRingSize; }
constexpr std::size_t kRingFileSize = kRingHeader + 2 * kRingSize;

// A piece of text inside a frame. Always followed by a NUL there.
struct Text {
  const char* data = "";
  std::uint32_t size = 0;
};

// Reads a body front to back. After the first overrun everything reads as zero and ok() is false.
class Reader {
 public:
  Reader(const char* data, std::size_t size) : data_(data), size_(size) {}

  bool ok() const { return ok_; }
  bool atEnd() const { return ok_ && position_ == size_; }

  template <typename T>
  T pod() {
    T value{};
    if (take(sizeof(T))) copy(reinterpret_cast<char*>(&value), data_ + position_ - sizeof(T), sizeof(T));
    return value;
  }

  // {u32 size, bytes, NUL}; refuses a NUL within, so that data is also a C string.
  Text text(std::uint32_t most) {
    const auto size = pod<std::uint32_t>();
    if (!ok_ || size > most || !take(static_cast<std::size_t>(size) + 1)) {
      ok_ = false;
      return {};
    }
    const char* start = data_ + position_ - size - 1;
    for (std::uint32_t i = 0; i < size; ++i) {
      if (start[i] == 0) ok_ = false;
    }
    if (start[size] != 0) ok_ = false;
    return ok_ ? Text{start, size} : Text{};
  }

 private:
  bool take(std::size_t count) {
    if (!ok_ || count > size_ - position_) {
      ok_ = false;
      return false;
    }
    position_ += count;
    return true;
  }
  static void copy(char* to, const char* from, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) to[i] = from[i];
  }

  const char* data_;
  std::size_t size_;
  std::size_t position_ = 0;
  bool ok_ = true;
};

// Writes a body into a buffer of its caller. After the first overflow nothing more is written and ok() is false.
class Writer {
 public:
  Writer(char* data, std::size_t capacity) : data_(data), capacity_(capacity) {}

  bool ok() const { return ok_; }
  std::size_t size() const { return size_; }

  void bytes(const void* from, std::size_t count) {
    if (!ok_ || count > capacity_ - size_) {
      ok_ = false;
      return;
    }
    const auto* source = static_cast<const char*>(from);
    for (std::size_t i = 0; i < count; ++i) data_[size_ + i] = source[i];
    size_ += count;
  }
  template <typename T>
  void pod(const T& value) {
    bytes(&value, sizeof(T));
  }
  void text(const char* data, std::size_t size) {
    pod(static_cast<std::uint32_t>(size));
    bytes(data, size);
    const char end = 0;
    bytes(&end, 1);
  }

 private:
  char* data_;
  std::size_t capacity_;
  std::size_t size_ = 0;
  bool ok_ = true;
};

// The header of a received message, checked against its length. False: not a frame of ours.
inline bool parseHeader(const char* message, std::size_t size, Header& header) {
  Reader reader(message, size);
  header = reader.pod<Header>();
  if (!reader.ok() || header.magic != kMagic || header.size > kMaxBody) return false;
  if ((header.flags & ~kBodyInMemfd) != 0) return false;
  if ((header.flags & kBodyInMemfd) != 0) return size == sizeof(Header);
  return header.size == size - sizeof(Header);
}

// The same of a message whose body may not be elsewhere: it begins behind the header.
inline bool parseInlineHeader(const char* message, std::size_t size, Header& header) {
  return parseHeader(message, size, header) && header.flags == 0;
}

struct StartMount {
  Text source, target;
  bool writable = false;
};

struct StartRequest {
  StartBody body{};
  Text templateFolder;
  StartMount mounts[kMaxMounts];
  Text layers[kMaxLayers];
  Text bubblewrap;
};

// False also when there are more mounts or layers than there is room for.
inline bool parseStart(const char* body, std::size_t size, StartRequest& request) {
  Reader reader(body, size);
  request.body = reader.pod<StartBody>();
  if (!reader.ok() || request.body.mounts > kMaxMounts || request.body.layers > kMaxLayers) return false;
  request.templateFolder = reader.text(4095);
  for (std::uint32_t i = 0; i < request.body.mounts; ++i) {
    request.mounts[i].source = reader.text(4095);
    request.mounts[i].target = reader.text(4095);
    request.mounts[i].writable = reader.pod<std::uint32_t>() != 0;
  }
  for (std::uint32_t i = 0; i < request.body.layers; ++i) request.layers[i] = reader.text(4095);
  if ((request.body.flags & kStartBubblewrap) != 0) request.bubblewrap = reader.text(4095);
  return reader.atEnd();
}

struct ExecRequest {
  ExecBody body{};
  Text cwd;
  char** argv = nullptr;  // NULL-terminated, into the body
  char** envp = nullptr;
};

// Parses a kExec body. `pointers` must have room for kMaxArguments + 2 and is where argv and envp point.
inline bool parseExec(const char* body, std::size_t size, char** pointers, ExecRequest& request) {
  Reader reader(body, size);
  request.body = reader.pod<ExecBody>();
  const std::uint32_t arguments = request.body.arguments, variables = request.body.variables;
  if (!reader.ok() || arguments == 0 || arguments > kMaxArguments || variables > kMaxArguments - arguments)
    return false;
  if ((request.body.flags & ~std::uint32_t{kExecBackground | kExecPty | kExecInput}) != 0) return false;
  request.cwd = reader.text(4095);
  request.argv = pointers;
  for (std::uint32_t i = 0; i < arguments && reader.ok(); ++i) {
    *pointers++ = const_cast<char*>(reader.text(kMaxBody).data);
  }
  *pointers++ = nullptr;
  request.envp = pointers;
  for (std::uint32_t i = 0; i < variables && reader.ok(); ++i) {
    *pointers++ = const_cast<char*>(reader.text(kMaxBody).data);
  }
  *pointers = nullptr;
  return reader.atEnd() && request.argv[0][0] != 0;
}

struct CreateRequest {
  CreateBody body{};
  Text id, workdir, meta;
};

// An id is a folder's name: [a-z0-9-], not empty, not longer than kMaxId.
inline bool validId(const char* id, std::size_t size) {
  if (size == 0 || size > kMaxId) return false;
  for (std::size_t i = 0; i < size; ++i) {
    const char c = id[i];
    if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c == '-' && i > 0))) return false;
  }
  return true;
}

inline bool parseCreate(const char* body, std::size_t size, CreateRequest& request) {
  Reader reader(body, size);
  request.body = reader.pod<CreateBody>();
  request.id = reader.text(kMaxId);
  request.workdir = reader.text(4095);
  request.meta = reader.text(64 * 1024);
  if (!reader.atEnd() || !validId(request.id.data, request.id.size)) return false;
  return request.body.processes > 0 && request.body.openFiles > 0 && request.body.memoryBytes > 0;
}

}  // namespace computesdk::local::protocol
