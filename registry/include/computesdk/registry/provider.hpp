#pragma once

#include <computesdk/result.hpp>
#include <computesdk/types.hpp>

#include <chrono>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

// A loaded provider, called through C++ types. Nothing above this header sees the C ABI.
namespace computesdk::registry {

struct Manifest;

/// A sandbox at a provider. `token` is secret.
struct Target {
  std::string id;
  std::string token;
};

/// A sandbox as a provider reports it. `token` is empty when the provider had no newer one.
struct SandboxRecord {
  SandboxInfo info;
  std::string token;
};

/// What holds for one call whatever the operation. Views and references live until the call returns.
struct CallContext {
  std::stop_token stop;                                           ///< cancels the call
  std::optional<std::chrono::steady_clock::time_point> deadline;  ///< abandoned 5 s past it
  std::string_view requestId;                                     ///< for logs and errors
  /// Runs on a runtime thread, one at a time; must not block.
  std::function<void(const Progress&)> onProgress;
  /// A newer token for the call's sandbox; may run from any thread while the call is under way.
  std::function<void(std::string_view token)> onToken;
  /// A sandbox that a create has begun and not finished; for a record that survives a crash.
  std::function<void(const SandboxRecord&)> onSandboxBegun;
};

struct CreateRequest {
  std::string name, templateId, image, snapshotId, runtime, workingDirectory;
  StringMap env;
  StringMap metadata;
  std::vector<std::uint16_t> ports;
  std::optional<std::chrono::milliseconds> timeout;  ///< lifetime; nothing: the provider's default; negative: none
  std::int64_t cpuMilli = 0, memoryBytes = 0, diskBytes = 0, processLimit = 0;
  NetworkMode network = NetworkMode::providerDefault;
  bool requireHardLimits = false;
  bool isolationNone = false;
  bool dieWithHost = false;
  std::string idempotencyKey;
  OptionMap options;
};

/// Input that is pulled. Called from any thread, one reader at a time, never blocks.
class InputSource {
 public:
  enum class State { data, again, end };
  virtual ~InputSource() = default;
  /// Bytes that will come in all, -1 when not known.
  [[nodiscard]] virtual std::int64_t sizeHint() const = 0;
  /// Fills `buffer`; `size` says how far when the answer is `data`.
  virtual State read(std::span<std::byte> buffer, std::size_t& size) = 0;
  /// Runs `ready` once when read would not answer `again`; at once if that is so.
  virtual void onReadable(std::function<void()> ready) = 0;
};

/// Takes output. Called by one thread at a time, in order. An exception of it cancels the call and is rethrown to the
/// caller.
using OutputFunction = std::function<void(OutputStream, std::span<const std::byte>)>;

/// Exactly one of argv and command. Views live until the call returns.
struct ExecRequest {
  std::span<const std::string> argv;
  std::string_view command;
  std::string_view cwd;
  const StringMap* env = nullptr;
  std::span<const std::byte> input;
  InputSource* source = nullptr;
  std::chrono::milliseconds timeout{0};  ///< of the command; 0: none
  const OptionMap* options = nullptr;
};

struct FileWrite {
  std::string_view path;
  std::span<const std::byte> content;
  InputSource* source = nullptr;  ///< instead of content
  std::uint32_t mode = 0;
  bool parents = true;
};

struct ProcessStart {
  ExecRequest exec;
  bool keepStdin = false;
  bool pty = false;
  std::uint32_t columns = 80, rows = 24;
  std::string_view tag;
};

struct ProcessAttach {
  std::int64_t offset = 0;  ///< byte of the kept output to begin with; -1: only what comes now
  bool keptOnly = false;    ///< do not wait for more; the status is unknown if the process runs on
};

enum class ExtendMeaning { unknown, fromNow, added, idle, fromCreation };

/// What a provider can do, read off its table. Slots that are missing answer E_UNSUPPORTED.
struct ProviderFeatures {
  bool list = false, inspect = false, attach = false, destroy = false, url = false, exec = false;
  bool fsRead = false, fsWrite = false, fsList = false, fsStat = false, fsMkdir = false, fsRemove = false,
       fsRename = false;
  bool process = false, port = false, snapshot = false, templates = false, named = false, vendorCall = false;
  bool pty = false;  ///< of processes; a provider with terminals can resize them
  bool extend = false, pause = false, resume = false;
  ExtendMeaning extendMeaning = ExtendMeaning::unknown;
};

/// An opened provider with its configuration. Thread-safe: every function may be called from any thread at once. Each
/// blocks until the operation is over, the stop token fires, or 5 s past the deadline. Errors name the provider.
class Provider {
 public:
  virtual ~Provider() = default;

  [[nodiscard]] virtual const Manifest& manifest() const = 0;
  [[nodiscard]] virtual const std::string& name() const = 0;
  [[nodiscard]] virtual const ProviderFeatures& features() const = 0;
  /// "in-process" or "isolated".
  [[nodiscard]] virtual std::string_view placement() const = 0;

  virtual Result<SandboxRecord> create(const CreateRequest& request, const CallContext& context) = 0;
  virtual Result<SandboxRecord> inspect(const Target& target, const CallContext& context) = 0;
  virtual Result<SandboxRecord> attach(const Target& target, const CallContext& context) = 0;
  /// `each` returns false to stop.
  virtual Result<void> list(std::int64_t limit, const StringMap& metadata,
                            const std::function<bool(SandboxRecord)>& each, const CallContext& context) = 0;
  virtual Result<void> destroy(const Target& target, const CallContext& context) = 0;
  virtual Result<void> release(const Target& target, const CallContext& context) = 0;
  virtual Result<PortUrl> url(const Target& target, std::uint16_t port, std::string_view protocol,
                              const CallContext& context) = 0;
  virtual Result<ExitStatus> exec(const Target& target, const ExecRequest& request, const OutputFunction& output,
                                  const CallContext& context) = 0;

  /// length -1: to the end. Content goes to `output` as OutputStream::data.
  virtual Result<void> fsRead(const Target& target, std::string_view path, std::int64_t offset, std::int64_t length,
                              const OutputFunction& output, const CallContext& context) = 0;
  virtual Result<void> fsWrite(const Target& target, const FileWrite& write, const CallContext& context) = 0;
  virtual Result<std::vector<FileEntry>> fsList(const Target& target, std::string_view path,
                                                const CallContext& context) = 0;
  virtual Result<FileEntry> fsStat(const Target& target, std::string_view path, bool followSymlinks,
                                   const CallContext& context) = 0;
  virtual Result<void> fsMkdir(const Target& target, std::string_view path, bool parents, std::uint32_t mode,
                               const CallContext& context) = 0;
  virtual Result<void> fsRemove(const Target& target, std::string_view path, bool recursive,
                                const CallContext& context) = 0;
  virtual Result<void> fsRename(const Target& target, std::string_view from, std::string_view to,
                                const CallContext& context) = 0;

  // process/1
  virtual Result<ProcessInfo> processStart(const Target& target, const ProcessStart& start,
                                           const CallContext& context) = 0;
  virtual Result<std::vector<ProcessInfo>> processList(const Target& target, const CallContext& context) = 0;
  virtual Result<ExitStatus> processAttach(const Target& target, std::string_view id, const ProcessAttach& attach,
                                           const OutputFunction& output, const CallContext& context) = 0;
  virtual Result<ExitStatus> processWait(const Target& target, std::string_view id, const CallContext& context) = 0;
  virtual Result<void> processWrite(const Target& target, std::string_view id, std::span<const std::byte> bytes,
                                    bool eof, const CallContext& context) = 0;
  virtual Result<void> processSignal(const Target& target, std::string_view id, int signal, bool group,
                                     const CallContext& context) = 0;
  virtual Result<void> processResize(const Target& target, std::string_view id, std::uint32_t columns,
                                     std::uint32_t rows, const CallContext& context) = 0;

  // port/1
  virtual Result<void> dial(const Target& target, std::uint16_t port, InputSource& input, const OutputFunction& output,
                            const CallContext& context) = 0;

  // lifetime/1
  virtual Result<SandboxRecord> extend(const Target& target, std::chrono::milliseconds duration,
                                       const CallContext& context) = 0;
  virtual Result<SandboxRecord> pause(const Target& target, const CallContext& context) = 0;
  virtual Result<SandboxRecord> resume(const Target& target, const CallContext& context) = 0;

  // snapshot/1
  virtual Result<SnapshotInfo> snapshotCreate(const Target& target, std::string_view name, const StringMap& metadata,
                                              const CallContext& context) = 0;
  virtual Result<std::vector<SnapshotInfo>> snapshotList(std::string_view sandboxId, const CallContext& context) = 0;
  virtual Result<void> snapshotRemove(std::string_view id, const CallContext& context) = 0;

  // template/1
  virtual Result<std::vector<TemplateInfo>> templateList(const CallContext& context) = 0;

  // named/1
  virtual Result<std::optional<SandboxRecord>> namedFind(std::string_view nameSpace, std::string_view name,
                                                         const CallContext& context) = 0;
  virtual Result<SandboxRecord> namedFindOrCreate(std::string_view nameSpace, std::string_view name,
                                                  const CreateRequest& request, const CallContext& context) = 0;

  // vendor-call/1
  virtual Result<std::string> vendorCall(const Target& target, std::string_view operation, std::string_view json,
                                         const CallContext& context) = 0;
};

}  // namespace computesdk::registry
