// One sandbox: commands, files, ports and lifetime.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "result.hpp"
#include "types.hpp"
#include "unique_fd.hpp"

namespace computesdk::local {

struct SandboxState;

// A background command or terminal. Holds a channel to the sandbox's init; dropping it ends nothing.
// Thread-safe, except that readOutput/wait of one handle belong to one thread at a time.
class Process {
 public:
  struct State;
  explicit Process(std::unique_ptr<State> state);
  Process(Process&&) noexcept;
  Process& operator=(Process&&) noexcept;
  ~Process();

  std::int32_t pid() const;
  // Bytes from a stream's bounded ring, from `offset` on. Sets `offset` past what was given; where the ring has
  // already dropped bytes, it jumps to the oldest kept. An empty answer means that nothing new is there.
  Result<std::vector<std::byte>> readOutput(Stream stream, std::uint64_t& offset, std::size_t most = 65536);
  // Waits until there is more output than `stdoutSeen`/`stderrSeen`, the end, or the timeout (kDeadlineExceeded).
  Status waitForChange(std::uint64_t stdoutSeen, std::uint64_t stderrSeen, Milliseconds timeout,
                       Canceller* cancel = nullptr);
  // Exit status once it ended; kDeadlineExceeded when it runs on past `timeout` (negative: waits for ever).
  Result<ExitStatus> wait(Milliseconds timeout, Canceller* cancel = nullptr);
  bool ended() const;
  // Bytes taken from `bytes`, 0 when the pipe is full. FailedPrecondition when it was started without input.
  Result<std::size_t> writeInput(std::span<const std::byte> bytes);
  // Waits until writeInput takes bytes again. kCancelled, or as writeInput.
  Status waitForInput(Canceller* cancel = nullptr);
  Status closeInput();
  // Gives up this object's own hold on the input: whoever only follows the command must not keep it open for others.
  void leaveInput();
  Status resize(PtySize size);
  // To its process group; SIGKILL goes to every descendant, also to those that left the group.
  Status signal(int number);

 private:
  std::unique_ptr<State> state_;
};

struct BackgroundSpec {
  std::vector<std::string> argv;  // exactly one of argv and shell
  std::string shell;
  std::string cwd;
  Pairs env;
  bool input = false;          // keep a pipe for writeInput
  std::optional<PtySize> pty;  // a terminal: writeInput and resize work, one merged stream on kStdout
  Milliseconds timeout{0};     // as of ExecSpec; it holds when nobody follows the command, too
};

// A living sandbox. All functions may be called from any thread at once. Errors: kNotFound once it has ended.
class Sandbox {
 public:
  explicit Sandbox(std::shared_ptr<SandboxState> state);
  ~Sandbox();
  Sandbox(const Sandbox&) = delete;
  Sandbox& operator=(const Sandbox&) = delete;

  const std::string& id() const;

  // Runs a command to its end on the calling thread. A command that is not there gives code 127, one that cannot
  // be executed 126: these are results, not errors.
  Result<ExitStatus> exec(const ExecSpec& spec);

  Result<Process> start(const BackgroundSpec& spec);
  Result<Process> attach(std::int32_t pid);
  Result<std::vector<ProcessInfo>> processes();

  // Files. Paths are absolute inside the sandbox, or relative to its workdir; symlinks and ".." end at its root.
  // Only regular files and folders are opened: anything else is kFailedPrecondition.
  using Chunk = std::function<bool(std::span<const std::byte>)>;  // false stops the transfer: kCancelled
  // `expect` hears how much is to come, before the first chunk of a file that takes several.
  Result<std::uint64_t> readFile(std::string_view path, std::uint64_t offset, std::uint64_t most, const Chunk& chunk,
                                 const std::function<void(std::uint64_t)>& expect = {});
  Result<std::string> readFile(std::string_view path, std::uint64_t most = 64ULL << 20);
  // Fills the span and gives the size, 0 at the end. The file appears under its name only when complete.
  using Fill = std::function<Result<std::size_t>(std::span<std::byte>)>;
  Result<std::uint64_t> writeFile(std::string_view path, const Fill& fill, std::uint32_t mode = 0644);
  Status writeFile(std::string_view path, std::string_view content, std::uint32_t mode = 0644);
  Result<FileStat> stat(std::string_view path, bool followLast = true);
  Result<bool> exists(std::string_view path);
  // At most `most` entries (kResourceExhausted beyond), sorted by name.
  Result<std::vector<DirectoryEntry>> list(std::string_view path, std::size_t most = 100000);
  Status makeDirectory(std::string_view path, bool parents = true);
  Status remove(std::string_view path, bool recursive = true);
  // Replaces a file of that name; never crosses the sandbox's root.
  Status rename(std::string_view from, std::string_view to);

  // Ports. dial: a connected stream to 127.0.0.1 or ::1 inside. url: "http://127.0.0.1:N", whose forwarder lives in
  // the launcher and so outlives this process.
  Result<UniqueFd> dial(std::uint16_t port);
  Result<std::string> url(std::uint16_t port);

  Result<SandboxInfo> info();
  Result<SandboxStats> stats();
  // Copies all that it wrote, but for /run and /dev/shm, while everything inside stands still. Memory is not kept.
  // kUnimplemented without isolation; kFailedPrecondition (something inside cannot be stopped, or another snapshot is
  // being taken); kResourceExhausted; kCancelled once `cancelled`, which is asked again and again while files are
  // copied, says so.
  Result<SnapshotSummary> snapshot(std::string_view name, const Pairs& metadata,
                                   const std::function<bool()>& cancelled = {});
  // Ends `ttl` from now; 0: never. Gives the new end (wall clock ms, 0: never).
  Result<std::int64_t> extend(Milliseconds ttl);
  // Ends everything inside and returns when it is gone. Idempotent.
  Status destroy();

 private:
  std::shared_ptr<SandboxState> state_;
};

}  // namespace computesdk::local
