// The values that cross the engine's face: what a sandbox is asked to be, and what it reports.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace computesdk::local {

using Milliseconds = std::chrono::milliseconds;
using Pairs = std::vector<std::pair<std::string, std::string>>;

enum class Isolation : std::uint8_t {
  kNamespaces,  // the default: nothing runs outside its own namespaces
  kNone,        // by explicit request only: the command runs as the caller, seeing all that the caller sees
};
// How namespaces are come by.
enum class EngineKind : std::uint8_t {
  kNamespaces,  // in user namespaces, as any user
  kRoot,        // as root, where user namespaces cannot be had: each sandbox runs as an unused uid of its own
  kBubblewrap,  // where only bubblewrap may make user namespaces: it makes them
};
std::string_view toString(EngineKind engine);

enum class NetworkMode : std::uint8_t { kNone, kFull };

// What a limit is worth. `hard`: the kernel refuses the first byte or process too many. `soft`: noticed within
// milliseconds, or counted per process. `none`: not limited.
enum class LimitStrength : std::uint8_t { kNone, kSoft, kHard };
std::string_view toString(LimitStrength strength);

struct Limits {
  std::uint64_t memoryBytes = 512ULL << 20;
  std::uint32_t processes = 256;  // processes and threads together
  std::uint32_t milliCpus = 0;    // 1000 = one core; 0 = no limit
  std::uint64_t diskBytes = 1ULL << 30;
  std::uint32_t openFiles = 1024;
  std::uint64_t outputBytes = 64ULL << 20;  // kept per stream and command
  bool requireHard = false;                 // refuse to create rather than meet a given limit softly
  bool operator==(const Limits&) const = default;
};

// A folder of the host shown inside. `target` is absolute inside the sandbox.
struct Mount {
  std::string source;
  std::string target;
  bool writable = false;
  bool operator==(const Mount&) const = default;
};

struct CreateSpec {
  std::string name;  // free text for list(); need not be unique
  Limits limits;
  NetworkMode network = NetworkMode::kNone;
  Isolation isolation = Isolation::kNamespaces;
  Pairs envs;                        // for every command of the sandbox
  Pairs metadata;                    // kept and handed back, not interpreted
  std::string workdir;               // where commands start; empty: the home folder. Created if absent
  Milliseconds ttl{5 * 60 * 1000};   // 0: no end of its own
  std::vector<std::uint16_t> ports;  // getUrl listeners to open at once
  std::vector<Mount> mounts;
  // Instead of the machine's own /usr: the folder of a root file system, or of an OCI layout with ":TAG" if it holds
  // several images.
  std::string templateSource;
  std::string snapshotId;  // what another sandbox had on its disk, over the base that it had
  // Whether the folders of the base can be written, by an overlay. Empty: those of a template can, the machine's not.
  std::optional<bool> writableBase;
  bool dieWithHost = false;  // ends with its Sandbox handle or process; not in the registry, so not in list()
};

struct LimitReport {
  std::string name;  // memory, processes, cpu, disk, open_files, output, time
  std::uint64_t value = 0;
  LimitStrength strength = LimitStrength::kNone;
  std::string how;  // the mechanism, e.g. "cgroup v1 pids.max"
};

enum class SandboxStatus : std::uint8_t { kRunning, kStopped };

struct SnapshotSummary {
  std::string id;
  std::string name;
  std::string sandboxId;       // that it was made of
  std::int64_t createdMs = 0;  // wall clock, ms since 1970
  std::uint64_t bytes = 0;     // of files' content
  std::string base;            // "host", "directory PATH", "oci sha256:…" or "snapshot ID"
  Pairs metadata;
};

struct SandboxInfo {
  std::string id;
  std::string name;
  SandboxStatus status = SandboxStatus::kRunning;
  std::int64_t createdMs = 0;  // wall clock, ms since 1970
  std::int64_t expiresMs = 0;  // the same; 0: never
  NetworkMode network = NetworkMode::kNone;
  Isolation isolation = Isolation::kNamespaces;
  std::string engine;  // as toString(EngineKind), or "none"
  std::string workdir;
  std::vector<LimitReport> limits;
  Pairs metadata;
  std::vector<std::pair<std::uint16_t, std::uint16_t>> ports;  // port inside, port on 127.0.0.1
};

struct SandboxStats {
  std::uint64_t memoryBytes = 0;
  std::uint64_t diskUsedBytes = 0, diskTotalBytes = 0;
  std::uint64_t filesUsed = 0, filesTotal = 0;
  std::uint32_t processes = 0;
  std::uint64_t cpuMicroseconds = 0;  // of commands that have ended
};

enum class Stream : std::uint8_t { kStdout, kStderr };

// Called on the thread that runs the command, one call at a time, in order per stream. The bytes are lent for
// the call. Returning false ends the command (as cancellation does).
using OutputCallback = std::function<bool(Stream, std::span<const std::byte>)>;

// Where a command's standard input comes from. Both functions are called on the thread that runs the command.
class InputSource {
 public:
  enum class State : std::uint8_t { kBytes, kEnd, kAgain };
  struct Read {
    State state;
    std::size_t size;
  };
  virtual ~InputSource() = default;
  // Fills `into`; never waits. After kAgain the engine calls whenReadable once.
  virtual Read read(std::span<std::byte> into) = 0;
  // Arranges one call of `wake` (from any thread, also at once) when read() may give bytes. `wake` stays callable
  // until the source is destroyed.
  virtual void whenReadable(std::function<void()> wake) = 0;
};

// Ends running commands from another thread. cancel() may be called at any time, any number of times.
class Canceller {
 public:
  Canceller();
  ~Canceller();
  Canceller(const Canceller&) = delete;
  Canceller& operator=(const Canceller&) = delete;
  void cancel();
  int descriptor() const { return fd_; }  // readable once cancelled

 private:
  int fd_;
};

struct PtySize {
  std::uint16_t columns = 80, rows = 24;
};

struct ExecSpec {
  std::vector<std::string> argv;  // exactly one of argv and shell
  std::string shell;              // a line for /bin/sh -c
  std::string cwd;                // empty: the sandbox's workdir
  Pairs env;                      // over the sandbox's own
  InputSource* input = nullptr;   // null: /dev/null
  OutputCallback output;          // null: output is read and dropped
  Milliseconds timeout{0};        // 0: none. Then TERM, two seconds later KILL of all that it started
  std::uint64_t outputLimit = 0;  // bytes per stream handed to `output`; 0: the sandbox's limit. The rest is drained
  std::optional<PtySize> pty;     // one merged stream, on kStdout
  Canceller* cancel = nullptr;
};

enum class ExitKind : std::uint8_t { kCode, kSignal, kTimeout, kUnknown };

struct ExitStatus {
  ExitKind kind = ExitKind::kUnknown;
  std::int32_t value = 0;  // exit code, or signal number
  bool truncated = false;  // output passed its limit
  bool outOfMemory = false;
  std::uint64_t userMicroseconds = 0, systemMicroseconds = 0, maxRssBytes = 0;
  // As a shell says it: the code, 128+signal, 124 for a timeout.
  int shellCode() const;
};

struct ProcessInfo {
  std::int32_t pid = 0;  // inside the sandbox
  bool running = false;
  bool pty = false;
  std::int64_t startedMs = 0;
  std::string command;
  ExitStatus exit;  // of one that has ended
};

enum class FileKind : std::uint8_t { kFile, kDirectory, kSymlink, kOther };

struct FileStat {
  FileKind kind = FileKind::kOther;
  std::uint64_t size = 0;
  std::uint32_t mode = 0;
  std::int64_t modifiedMs = 0;
};

struct DirectoryEntry {
  std::string name;
  FileStat stat;
};

}  // namespace computesdk::local
