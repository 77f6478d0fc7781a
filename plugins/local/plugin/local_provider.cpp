// The `local` provider as a plug-in: the engine behind the ABI.
#include <computesdk/provider.hpp>

#include <cerrno>
#include <charconv>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "engine/engine.hpp"
#include "plugin/convert.hpp"
#include "plugin/doctor.hpp"
#include "plugin/streams.hpp"

namespace computesdk::local {

using plugin::Call;
using plugin::str;
using plugin::view;

// Thread-safe, as every provider. Keeps the sandboxes it was asked about, so that a command needs no look-up; a sandbox
// that dies with its host lives as long as it is kept here.
class LocalProvider {
 public:
  static constexpr std::uint32_t kCreateFlags =
      CSDK_CREATE_NETWORK | CSDK_CREATE_REQUIRE_HARD_LIMITS | CSDK_CREATE_ISOLATION_NONE | CSDK_CREATE_LIMITS;
  static constexpr std::uint32_t kProcessFlags = CSDK_PROCESS_PTY;
  static constexpr std::uint32_t kAttachFlags = CSDK_PROCESS_KEPT_ONLY;
  static constexpr std::uint32_t kExtendMeaning = CSDK_EXTEND_FROM_NOW;

  explicit LocalProvider(const plugin::Options& config) : engine_(engineOptions(config)) {}

  void create(Call& call, const csdk_create_args& args) {
    const CreateSpec spec = toSpec(args);
    auto made = engine_.create(spec);
    if (!made.ok()) raiseCreate(made.error(), spec);
    const std::shared_ptr<Sandbox> sandbox = std::move(made.value());
    try {
      const SandboxInfo info = take(sandbox->info());
      call.throwIfCancelled();
      emitInfo(call, info, softLimitNotices(args, info));
    } catch (...) {
      static_cast<void>(sandbox->destroy());  // nobody will know its id
      throw;
    }
    const std::unique_lock lock(mutex_);
    held_.insert_or_assign(sandbox->id(), sandbox);
  }

  void inspect(Call& call, const csdk_target_args& args) { emitInfo(call, take(find(args.target)->info())); }
  void attach(Call& call, const csdk_target_args& args) { inspect(call, args); }

  void list(Call& call, const csdk_list_args& args) {
    std::int64_t left = args.limit > 0 ? args.limit : INT64_MAX;
    for (const SandboxInfo& info : take(engine_.list())) {
      if (!carries(info, args.metadata)) continue;
      if (left-- == 0) return;
      emitInfo(call, info);
    }
  }

  void destroy(Call&, const csdk_target_args& args) {
    const std::string id(view(args.target.id));
    std::shared_ptr<Sandbox> sandbox = forget(id);
    check(sandbox ? sandbox->destroy() : engine_.destroy(id));
  }

  void release(Call&, const csdk_target_args& args) { forget(std::string(view(args.target.id))); }

  void url(Call& call, const csdk_url_args& args) {
    const std::string_view protocol = view(args.protocol);
    if (!protocol.empty() && protocol != "http" && protocol != "ws") {
      throw plugin::Error(CSDK_UNIMPLEMENTED, "local serves ports as plain HTTP on the loopback address only")
          .fix("ask for protocol http or ws, or put a TLS proxy in front of the URL");
    }
    std::string url = take(find(args.target)->url(static_cast<std::uint16_t>(args.port)));
    if (protocol == "ws" && url.starts_with("http")) url.replace(0, 4, "ws");
    csdk_url result{};
    result.url = str(url);
    call.emit(result);
  }

  void exec(Call& call, const csdk_exec_args& args) {
    const auto sandbox = find(args.target);
    CallInput input{plugin::Input(args)};
    CancelLink link(call);
    ExecSpec spec;
    spec.argv = toStrings(args.argv);
    spec.shell = view(args.command);
    spec.cwd = view(args.cwd);
    spec.env = toPairs(args.env);
    if (args.source != nullptr || args.input.size != 0) spec.input = &input;
    spec.output = [&call](Stream stream, std::span<const std::byte> bytes) {
      return pushOutput(call, stream == Stream::kStdout ? CSDK_STREAM_STDOUT : CSDK_STREAM_STDERR, bytes);
    };
    spec.timeout = Milliseconds(args.timeout_ms);
    spec.cancel = &link.canceller();
    const ExitStatus status = take(sandbox->exec(spec));
    call.throwIfCancelled();
    emitExit(call, status);
  }

  void fsRead(Call& call, const csdk_fs_args& args) {
    if (args.offset < 0) throw plugin::Error(CSDK_INVALID_ARGUMENT, "a file's offset must not be negative");
    const std::uint64_t most = args.length < 0 ? UINT64_MAX : static_cast<std::uint64_t>(args.length);
    take(find(args.target)
             ->readFile(
                 view(args.path), static_cast<std::uint64_t>(args.offset), most,
                 [&call](std::span<const std::byte> bytes) { return pushOutput(call, CSDK_STREAM_DATA, bytes); },
                 [&call](std::uint64_t total) { call.progress("reading", {}, 0, static_cast<std::int64_t>(total)); }));
  }

  void fsWrite(Call&, const csdk_fs_args& args) {
    const auto sandbox = find(args.target);
    const std::string_view path = view(args.path);
    const std::uint32_t mode = args.mode != 0 ? args.mode : 0644;
    auto written = write(*sandbox, path, args, mode);
    // The parent is looked for before any input is taken, so that a second attempt loses nothing.
    if (!written.ok() && written.error().systemError == ENOENT && (args.flags & CSDK_FS_PARENTS) != 0) {
      const std::size_t slash = path.rfind('/');
      if (slash != std::string_view::npos && slash != 0) check(sandbox->makeDirectory(path.substr(0, slash)));
      written = write(*sandbox, path, args, mode);
    }
    take(std::move(written));
  }

  void fsList(Call& call, const csdk_fs_args& args) {
    const std::string_view folder = view(args.path);
    for (const DirectoryEntry& entry : take(find(args.target)->list(folder))) {
      std::string path(folder);
      if (!path.ends_with('/')) path += '/';
      path += entry.name;
      emitEntry(call, path, entry.name, entry.stat);
    }
  }

  void fsStat(Call& call, const csdk_fs_args& args) {
    const std::string_view path = view(args.path);
    const FileStat stat = take(find(args.target)->stat(path, (args.flags & CSDK_FS_NO_FOLLOW) == 0));
    const std::size_t slash = path.rfind('/');
    emitEntry(call, path, slash == std::string_view::npos ? path : path.substr(slash + 1), stat);
  }

  void fsMkdir(Call&, const csdk_fs_args& args) {
    check(find(args.target)->makeDirectory(view(args.path), (args.flags & CSDK_FS_PARENTS) != 0));
  }

  void fsRemove(Call&, const csdk_fs_args& args) {
    check(find(args.target)->remove(view(args.path), (args.flags & CSDK_FS_RECURSIVE) != 0));
  }

  void fsRename(Call&, const csdk_fs_args& args) {
    check(find(args.target)->rename(view(args.path), view(args.to_path)));
  }

  void processStart(Call& call, const csdk_process_start_args& args) {
    const csdk_exec_args& exec = *args.exec;
    BackgroundSpec spec;
    spec.argv = toStrings(exec.argv);
    spec.shell = view(exec.command);
    spec.cwd = view(exec.cwd);
    spec.env = toPairs(exec.env);
    spec.timeout = Milliseconds(exec.timeout_ms);
    spec.input = (args.flags & CSDK_PROCESS_STDIN) != 0;
    if (args.flags & CSDK_PROCESS_PTY) spec.pty = ptySize(args.columns, args.rows);
    const Process process = take(find(exec.target)->start(spec));
    ProcessInfo info;
    info.pid = process.pid();
    info.running = true;
    info.pty = spec.pty.has_value();
    info.startedMs = call.host().table().now_wall_ms(call.host().self());
    info.command = spec.shell;
    for (const std::string& word : spec.argv) info.command += (info.command.empty() ? "" : " ") + word;
    emitProcess(call, info, view(args.tag));
  }

  void processList(Call& call, const csdk_process_args& args) {
    for (const ProcessInfo& info : take(find(args.target)->processes())) emitProcess(call, info);
  }

  void processAttach(Call& call, const csdk_process_args& args) {
    Process process = findProcess(args);
    process.leaveInput();
    followProcess(call, process, args.offset, (args.flags & CSDK_PROCESS_KEPT_ONLY) == 0);
  }

  void processWait(Call& call, const csdk_process_args& args) {
    Process process = findProcess(args);
    process.leaveInput();
    CancelLink link(call);
    emitExit(call, take(process.wait(Milliseconds(-1), &link.canceller())));
  }

  void processWriteStdin(Call& call, const csdk_process_args& args) {
    Process process = findProcess(args);
    std::span<const std::byte> bytes = view(args.input);
    CancelLink link(call);
    while (!bytes.empty()) {
      const std::size_t taken = take(process.writeInput(bytes), Subject::other);
      bytes = bytes.subspan(taken);
      if (taken == 0) check(process.waitForInput(&link.canceller()), Subject::other);
      call.throwIfCancelled();
    }
    if (args.flags & CSDK_PROCESS_EOF) check(process.closeInput(), Subject::other);
  }

  void processSignal(Call&, const csdk_process_args& args) {
    Process process = findProcess(args);
    if (process.ended()) return;  // a success, as the ABI has it
    const Status sent = process.signal(args.signal);
    if (!process.ended()) check(sent, Subject::other);
  }

  void processResize(Call&, const csdk_process_args& args) {
    Process process = findProcess(args);
    check(process.resize(ptySize(args.columns, args.rows)), Subject::other);
  }

  void dial(Call& call, const csdk_dial_args& args) {
    UniqueFd socket = take(find(args.target)->dial(static_cast<std::uint16_t>(args.port)), Subject::other);
    carryPort(call, plugin::Input(args), std::move(socket));
  }

  void snapshotCreate(Call& call, const csdk_snapshot_args& args) {
    const auto cancelled = [&call] { return call.cancelled(); };
    emitSnapshot(call,
                 take(find(args.target)->snapshot(view(args.name), toPairs(args.metadata), cancelled), Subject::other));
  }

  void snapshotList(Call& call, const csdk_snapshot_args& args) {
    for (const SnapshotSummary& each : take(engine_.snapshots(view(args.target.id)))) emitSnapshot(call, each);
  }

  void snapshotRemove(Call&, const csdk_snapshot_args& args) {
    const Status removed = engine_.removeSnapshot(view(args.snapshot_id));
    if (!removed.ok() && removed.error().kind != ErrorClass::kNotFound) raise(removed.error(), Subject::other);
  }

  // The engine counts from now; the ABI's promise is that a life never becomes shorter.
  void extend(Call& call, const csdk_extend_args& args) {
    const auto sandbox = find(args.target);
    if (args.duration_ms <= 0) throw plugin::Error(CSDK_INVALID_ARGUMENT, "the duration must be positive");
    const SandboxInfo before = take(sandbox->info());
    const std::int64_t wanted = call.host().table().now_wall_ms(call.host().self()) + args.duration_ms;
    if (before.expiresMs != 0 && before.expiresMs < wanted) take(sandbox->extend(Milliseconds(args.duration_ms)));
    emitInfo(call, take(sandbox->info()));
  }

  void vendorCall(Call& call, const csdk_vendor_call_args& args) {
    const bool ofSandbox = args.target.id.size != 0;
    if (view(args.operation) == "doctor" && !ofSandbox) return call.emitJson(doctorJson(probe::cached()));
    if (view(args.operation) != "stats" || !ofSandbox) {
      throw plugin::Error(CSDK_UNIMPLEMENTED, "local knows two calls: 'stats' of a sandbox, and 'doctor' of none");
    }
    call.emitJson(toJson(take(find(args.target)->stats())));
  }

 private:
  static EngineOptions engineOptions(const plugin::Options& config) {
    constexpr std::size_t kMostPooled = 256;
    EngineOptions options;
    const std::string_view text = config.text("pool").value_or("0");
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), options.pool);
    if (error != std::errc() || end != text.data() + text.size() || options.pool > kMostPooled) {
      throw plugin::Error(CSDK_INVALID_ARGUMENT, "'pool' must be a number of sandboxes from 0 to 256")
          .fix("leave it out, or give a number: COMPUTESDK_LOCAL_POOL=8");
    }
    const std::string_view engine = config.text("engine").value_or("auto");
    if (engine == "namespaces") options.engine = EngineKind::kNamespaces;
    if (engine == "root") options.engine = EngineKind::kRoot;
    if (engine == "bubblewrap" || engine == "bwrap") options.engine = EngineKind::kBubblewrap;
    if (!options.engine && engine != "auto") {
      throw plugin::Error(CSDK_INVALID_ARGUMENT, "'engine' must be auto, namespaces, root or bubblewrap")
          .fix("leave it out, or say which: COMPUTESDK_LOCAL_ENGINE=namespaces");
    }
    return options;
  }

  std::shared_ptr<Sandbox> find(const csdk_target& target) {
    const std::string id(view(target.id));
    {
      const std::shared_lock lock(mutex_);
      if (const auto found = held_.find(id); found != held_.end()) return found->second;
    }
    std::shared_ptr<Sandbox> sandbox = take(engine_.get(id));
    const std::unique_lock lock(mutex_);
    return held_.try_emplace(id, std::move(sandbox)).first->second;
  }

  std::shared_ptr<Sandbox> forget(const std::string& id) {
    const std::unique_lock lock(mutex_);
    const auto found = held_.find(id);
    if (found == held_.end()) return nullptr;
    std::shared_ptr<Sandbox> sandbox = std::move(found->second);
    held_.erase(found);
    return sandbox;
  }

  Process findProcess(const csdk_process_args& args) {
    const std::string_view text = view(args.process_id);
    std::int32_t pid = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), pid);
    if (error != std::errc() || end != text.data() + text.size() || pid <= 0) {
      throw plugin::Error(CSDK_NOT_FOUND, "there is no such command").fix("computesdk ps SB lists them");
    }
    return take(find(args.target)->attach(pid), Subject::other);
  }

  [[noreturn]] static void raiseCreate(const Error& error, const CreateSpec& spec) {
    std::string message = error.message;
    if (!error.why.empty()) message += ": " + error.why;
    if (error.kind == ErrorClass::kUnavailable) {
      throw plugin::Error(CSDK_FAILED_PRECONDITION, message).errorClass(CSDK_ERROR_ISOLATION).fix(error.fix);
    }
    if (error.kind == ErrorClass::kUnimplemented && spec.limits.requireHard) {
      throw plugin::Error(CSDK_FAILED_PRECONDITION, message).errorClass(CSDK_ERROR_LIMIT).fix(error.fix);
    }
    raise(error);
  }

  static bool carries(const SandboxInfo& info, csdk_pairs wanted) {
    for (const csdk_pair& pair : view(wanted)) {
      bool found = false;
      for (const auto& [key, value] : info.metadata) found |= key == view(pair.key) && value == view(pair.value);
      if (!found) return false;
    }
    return true;
  }

  static Result<std::uint64_t> write(Sandbox& sandbox, std::string_view path, const csdk_fs_args& args,
                                     std::uint32_t mode) {
    if (args.source == nullptr) {
      const Status status = sandbox.writeFile(path, plugin::text(args.input), mode);
      if (!status.ok()) return status.error();
      return static_cast<std::uint64_t>(args.input.size);
    }
    BlockingInput input{plugin::Input(args)};
    return sandbox.writeFile(
        path, [&input](std::span<std::byte> into) { return input.fill(into); }, mode);
  }

  static PtySize ptySize(std::uint32_t columns, std::uint32_t rows) {
    if (columns > UINT16_MAX || rows > UINT16_MAX) {
      throw plugin::Error(CSDK_INVALID_ARGUMENT, "a terminal has at most 65535 columns and rows");
    }
    return {static_cast<std::uint16_t>(columns != 0 ? columns : 80), static_cast<std::uint16_t>(rows != 0 ? rows : 24)};
  }

  Engine engine_;
  std::shared_mutex mutex_;
  std::unordered_map<std::string, std::shared_ptr<Sandbox>> held_;
};

}  // namespace computesdk::local

CSDK_PROVIDER(computesdk::local::LocalProvider, "local", CSDK_LOCAL_VERSION)
