#include "open_provider.hpp"

#include "values/json.hpp"
#include "values/text.hpp"

#include <computesdk/registry/manifest.hpp>

#include <optional>
#include <utility>
#include <vector>

namespace computesdk::registry::host {
namespace {

constexpr std::size_t kLongestJson = std::size_t{16} << 20;

template <typename Args>
Args argsFor() noexcept {
  Args args{};
  args.struct_size = sizeof(Args);
  return args;
}

template <typename Args>
Args argsFor(const Target& target) noexcept {
  Args args = argsFor<Args>();
  args.target = toTarget(target);
  return args;
}

csdk_process_args processArgs(const Target& target, std::string_view id) noexcept {
  auto args = argsFor<csdk_process_args>(target);
  args.process_id = toStr(id);
  return args;
}

/// csdk_exec_args with the lists that it points to.
struct ExecArgs {
  csdk_exec_args args;
  Strs argv;
  Pairs env;
  Options options;

  ExecArgs(const Target& target, const ExecRequest& request) : args(argsFor<csdk_exec_args>(target)) {
    fill(argv, request.argv);
    fill(env, request.env);
    fill(options, request.options);
    args.argv = {argv.data(), argv.size()};
    args.command = toStr(request.command);
    args.cwd = toStr(request.cwd);
    args.env = {env.data(), env.size()};
    args.input = toBytes(request.input);
    args.timeout_ms = request.timeout.count();
    args.options = {options.data(), options.size()};
  }
};

/// csdk_create_args with the lists that it points to.
struct CreateArgs {
  csdk_create_args args = argsFor<csdk_create_args>();
  Pairs env, metadata;
  Options options;

  explicit CreateArgs(const CreateRequest& request) {
    fill(env, &request.env);
    fill(metadata, &request.metadata);
    fill(options, &request.options);
    args.flags = flagsOf(request);
    args.name = toStr(request.name);
    args.template_id = toStr(request.templateId);
    args.image = toStr(request.image);
    args.snapshot_id = toStr(request.snapshotId);
    args.runtime = toStr(request.runtime);
    args.working_directory = toStr(request.workingDirectory);
    args.env = {env.data(), env.size()};
    args.metadata = {metadata.data(), metadata.size()};
    args.ports = {request.ports.data(), request.ports.size()};
    if (request.timeout) args.timeout_ms = request.timeout->count() < 0 ? -1 : request.timeout->count();
    args.cpu_milli = request.cpuMilli;
    args.memory_bytes = request.memoryBytes;
    args.disk_bytes = request.diskBytes;
    args.process_limit = request.processLimit;
    args.network = static_cast<std::uint32_t>(request.network);
    args.idempotency_key = toStr(request.idempotencyKey);
    args.options = {options.data(), options.size()};
  }

  static std::uint32_t flagsOf(const CreateRequest& request) noexcept {
    std::uint32_t flags = 0;
    if (request.network != NetworkMode::providerDefault) flags |= CSDK_CREATE_NETWORK;
    if (request.requireHardLimits) flags |= CSDK_CREATE_REQUIRE_HARD_LIMITS;
    if (request.isolationNone) flags |= CSDK_CREATE_ISOLATION_NONE;
    if (request.dieWithHost) flags |= CSDK_CREATE_DIE_WITH_HOST;
    const bool limits =
        request.cpuMilli != 0 || request.memoryBytes != 0 || request.diskBytes != 0 || request.processLimit != 0;
    if (limits) flags |= CSDK_CREATE_LIMITS;
    return flags;
  }
};
static_assert(static_cast<std::uint32_t>(NetworkMode::none) == CSDK_NETWORK_NONE);
static_assert(static_cast<std::uint32_t>(NetworkMode::full) == CSDK_NETWORK_FULL);

/// Providers in whose code a thread is stuck: what it may still touch is kept.
struct Stuck {
  std::unique_ptr<ProviderBackend> backend;
  std::unique_ptr<Engine> engine;
};

void keepForEver(Stuck stuck) {
  static auto& mutex = *new std::mutex;
  static auto& kept = *new std::vector<Stuck>;
  std::lock_guard lock(mutex);
  kept.push_back(std::move(stuck));
}

}  // namespace

OpenProvider::OpenProvider(std::shared_ptr<const Manifest> manifest, HostContext& host, OpenedBackend opened)
    : manifest_(std::move(manifest)),
      name_(host.provider()),
      host_(host),
      present_(opened.present),
      features_(featuresOf(opened.present, opened.extendMeaning)),
      placement_(opened.placement),
      backend_(std::move(opened.backend)),
      engine_(std::make_unique<Engine>(host_, *backend_, opened.engine)) {}

OpenProvider::~OpenProvider() {
  if (engine_->stuck() != 0) {
    host_.log(CSDK_LOG_WARN, "a call that was given up is still running; the provider is not closed");
    keepForEver({std::move(backend_), std::move(engine_)});
  } else {
    engine_.reset();
    backend_->close();
  }
  host_.close();
}

PluginHealth OpenProvider::health() const noexcept {
  return {host_.misbehaviour.load(), host_.abandoned.load(), host_.deaths.load()};
}

CallSubject OpenProvider::subjectOf(const Ask& ask) const {
  CallSubject subject{ask.op, name_, {}, {}, ask.label, has(present_, ask.op)};
  if (ask.target != nullptr) {
    subject.sandboxId = ask.target->id;
    subject.token = ask.target->token;
  }
  return subject;
}

Result<void> OpenProvider::run(const Ask& ask, void* args, ResultSink& sink, const CallContext& context) {
  if (!has(present_, ask.op)) return unsupported(subjectOf(ask));
  std::function<bool()> newest;
  if (context.onToken && ask.target != nullptr) {
    newest = [this, place = tokens_.start(), &id = ask.target->id] { return tokens_.claim(id, place); };
    sink.tokenIsNewest = &newest;
  }
  const CallEnd end = engine_->run(ask.op, args, sink, ask.input, context);
  if (end.status == CSDK_OK || sink.stopped) return {};
  return errorOf(end, subjectOf(ask), context, host_);
}

Result<SandboxRecord> OpenProvider::sandboxCall(const Ask& ask, void* args, const CallContext& context, bool begun) {
  ResultSink sink(name_, context);
  sink.wantsSandbox = true;
  sink.reportsBegun = begun;
  auto done = run(ask, args, sink, context);
  if (!done) {
    // A create that failed half-way says which sandbox it may have left behind.
    if (sink.sandbox && done.error().sandboxId.empty()) done.error().sandboxId = sink.sandbox->info.id;
    // One that was ready already when its create was cancelled is what that create had begun.
    if (sink.sandbox && ask.op == Op::create && context.onSandboxBegun) context.onSandboxBegun(*sink.sandbox);
    return std::move(done).error();
  }
  if (!sink.sandbox) return missingResult(subjectOf(ask), "a sandbox", host_);
  return std::move(*sink.sandbox);
}

Result<SandboxRecord> OpenProvider::create(const CreateRequest& request, const CallContext& context) {
  if (auto valid = checkOptions(manifest(), request.options); !valid) return std::move(valid).error();
  CreateArgs create(request);
  return sandboxCall({Op::create}, &create.args, context, true);
}

Result<SandboxRecord> OpenProvider::inspect(const Target& target, const CallContext& context) {
  auto args = argsFor<csdk_target_args>(target);
  return sandboxCall({Op::inspect, &target}, &args, context);
}

Result<SandboxRecord> OpenProvider::attach(const Target& target, const CallContext& context) {
  auto args = argsFor<csdk_target_args>(target);
  return sandboxCall({Op::attach, &target}, &args, context);
}

Result<void> OpenProvider::list(std::int64_t limit, const StringMap& metadata,
                                const std::function<bool(SandboxRecord)>& each, const CallContext& context) {
  Pairs wanted;
  fill(wanted, &metadata);
  auto args = argsFor<csdk_list_args>();
  args.limit = limit;
  args.metadata = {wanted.data(), wanted.size()};
  // Not every vendor filters, so the rest is done here.
  std::int64_t given = 0;
  const std::function<bool(SandboxRecord)> filtered = [&](SandboxRecord record) {
    for (const auto& [key, value] : metadata) {
      const auto found = record.info.metadata.find(key);
      if (found == record.info.metadata.end() || found->second != value) return true;
    }
    ++given;
    return each(std::move(record)) && (limit <= 0 || given < limit);
  };
  ResultSink sink(name_, context);
  sink.eachSandbox = &filtered;
  return run({Op::list}, &args, sink, context);
}

Result<void> OpenProvider::destroy(const Target& target, const CallContext& context) {
  auto args = argsFor<csdk_target_args>(target);
  ResultSink sink(name_, context);
  return run({Op::destroy, &target}, &args, sink, context);
}

Result<void> OpenProvider::release(const Target& target, const CallContext& context) {
  // A hint: a provider that has no use for it takes it as read.
  if (!has(present_, Op::release)) return {};
  auto args = argsFor<csdk_target_args>(target);
  ResultSink sink(name_, context);
  return run({Op::release, &target}, &args, sink, context);
}

Result<PortUrl> OpenProvider::url(const Target& target, std::uint16_t port, std::string_view protocol,
                                  const CallContext& context) {
  auto args = argsFor<csdk_url_args>(target);
  args.port = port;
  args.protocol = toStr(protocol);
  ResultSink sink(name_, context);
  const Ask ask{Op::url, &target};
  if (auto done = run(ask, &args, sink, context); !done) return std::move(done).error();
  if (!sink.url) return missingResult(subjectOf(ask), "a URL", host_);
  return std::move(*sink.url);
}

Result<ExitStatus> OpenProvider::exitCall(const Ask& ask, void* args, const OutputFunction* output,
                                          const CallContext& context) {
  ResultSink sink(name_, context);
  sink.outputFunction = output;
  if (auto done = run(ask, args, sink, context); !done) return std::move(done).error();
  if (!sink.exit) return missingResult(subjectOf(ask), "an exit status", host_);
  return *sink.exit;
}

Result<ExitStatus> OpenProvider::exec(const Target& target, const ExecRequest& request, const OutputFunction& output,
                                      const CallContext& context) {
  ExecArgs exec(target, request);
  return exitCall({Op::exec, &target, {}, request.source}, &exec.args, &output, context);
}

Result<void> OpenProvider::filesCall(const Ask& ask, csdk_fs_args& args, const CallContext& context) {
  args.path = toStr(ask.label);
  ResultSink sink(name_, context);
  return run(ask, &args, sink, context);
}

Result<void> OpenProvider::fsRead(const Target& target, std::string_view path, std::int64_t offset, std::int64_t length,
                                  const OutputFunction& output, const CallContext& context) {
  auto args = argsFor<csdk_fs_args>(target);
  args.path = toStr(path);
  args.offset = offset;
  args.length = length;
  ResultSink sink(name_, context);
  sink.outputFunction = &output;
  return run({Op::fsRead, &target, path}, &args, sink, context);
}

Result<void> OpenProvider::fsWrite(const Target& target, const FileWrite& write, const CallContext& context) {
  auto args = argsFor<csdk_fs_args>(target);
  args.flags = write.parents ? CSDK_FS_PARENTS : 0;
  args.mode = write.mode;
  args.input = toBytes(write.content);
  return filesCall({Op::fsWrite, &target, write.path, write.source}, args, context);
}

Result<std::vector<FileEntry>> OpenProvider::fsList(const Target& target, std::string_view path,
                                                    const CallContext& context) {
  auto args = argsFor<csdk_fs_args>(target);
  args.path = toStr(path);
  std::vector<FileEntry> entries;
  ResultSink sink(name_, context);
  sink.entries = &entries;
  if (auto done = run({Op::fsList, &target, path}, &args, sink, context); !done) return std::move(done).error();
  return entries;
}

Result<FileEntry> OpenProvider::fsStat(const Target& target, std::string_view path, bool followSymlinks,
                                       const CallContext& context) {
  auto args = argsFor<csdk_fs_args>(target);
  args.path = toStr(path);
  args.flags = followSymlinks ? 0 : CSDK_FS_NO_FOLLOW;
  ResultSink sink(name_, context);
  const Ask ask{Op::fsStat, &target, path};
  if (auto done = run(ask, &args, sink, context); !done) return std::move(done).error();
  if (!sink.entry) return missingResult(subjectOf(ask), "a description", host_);
  return std::move(*sink.entry);
}

Result<void> OpenProvider::fsMkdir(const Target& target, std::string_view path, bool parents, std::uint32_t mode,
                                   const CallContext& context) {
  auto args = argsFor<csdk_fs_args>(target);
  args.flags = parents ? CSDK_FS_PARENTS : 0;
  args.mode = mode;
  return filesCall({Op::fsMkdir, &target, path}, args, context);
}

Result<void> OpenProvider::fsRemove(const Target& target, std::string_view path, bool recursive,
                                    const CallContext& context) {
  auto args = argsFor<csdk_fs_args>(target);
  args.flags = recursive ? CSDK_FS_RECURSIVE : 0;
  return filesCall({Op::fsRemove, &target, path}, args, context);
}

Result<void> OpenProvider::fsRename(const Target& target, std::string_view from, std::string_view to,
                                    const CallContext& context) {
  auto args = argsFor<csdk_fs_args>(target);
  args.to_path = toStr(to);
  return filesCall({Op::fsRename, &target, from}, args, context);
}

Result<ProcessInfo> OpenProvider::processStart(const Target& target, const ProcessStart& start,
                                               const CallContext& context) {
  const ExecArgs exec(target, start.exec);
  auto args = argsFor<csdk_process_start_args>();
  if (start.keepStdin) args.flags |= CSDK_PROCESS_STDIN;
  if (start.pty) args.flags |= CSDK_PROCESS_PTY;
  args.exec = &exec.args;
  args.columns = start.columns;
  args.rows = start.rows;
  args.tag = toStr(start.tag);
  ResultSink sink(name_, context);
  const Ask ask{Op::processStart, &target};
  if (auto done = run(ask, &args, sink, context); !done) return std::move(done).error();
  if (!sink.process) return missingResult(subjectOf(ask), "a process", host_);
  return std::move(*sink.process);
}

Result<std::vector<ProcessInfo>> OpenProvider::processList(const Target& target, const CallContext& context) {
  auto args = processArgs(target, {});
  std::vector<ProcessInfo> processes;
  ResultSink sink(name_, context);
  sink.processes = &processes;
  if (auto done = run({Op::processList, &target}, &args, sink, context); !done) return std::move(done).error();
  return processes;
}

Result<ExitStatus> OpenProvider::processAttach(const Target& target, std::string_view id, const ProcessAttach& attach,
                                               const OutputFunction& output, const CallContext& context) {
  auto args = processArgs(target, id);
  args.offset = attach.offset;
  if (attach.keptOnly) args.flags |= CSDK_PROCESS_KEPT_ONLY;
  return exitCall({Op::processAttach, &target, id}, &args, &output, context);
}

Result<ExitStatus> OpenProvider::processWait(const Target& target, std::string_view id, const CallContext& context) {
  auto args = processArgs(target, id);
  return exitCall({Op::processWait, &target, id}, &args, nullptr, context);
}

Result<void> OpenProvider::processCall(const Ask& ask, csdk_process_args& args, const CallContext& context) {
  ResultSink sink(name_, context);
  return run(ask, &args, sink, context);
}

Result<void> OpenProvider::processWrite(const Target& target, std::string_view id, std::span<const std::byte> bytes,
                                        bool eof, const CallContext& context) {
  auto args = processArgs(target, id);
  args.flags = eof ? CSDK_PROCESS_EOF : 0;
  args.input = toBytes(bytes);
  return processCall({Op::processWrite, &target, id}, args, context);
}

Result<void> OpenProvider::processSignal(const Target& target, std::string_view id, int signal, bool group,
                                         const CallContext& context) {
  auto args = processArgs(target, id);
  args.flags = group ? CSDK_PROCESS_GROUP : 0;
  args.signal = signal;
  return processCall({Op::processSignal, &target, id}, args, context);
}

Result<void> OpenProvider::processResize(const Target& target, std::string_view id, std::uint32_t columns,
                                         std::uint32_t rows, const CallContext& context) {
  auto args = processArgs(target, id);
  args.columns = columns;
  args.rows = rows;
  return processCall({Op::processResize, &target, id}, args, context);
}

Result<void> OpenProvider::dial(const Target& target, std::uint16_t port, InputSource& input,
                                const OutputFunction& output, const CallContext& context) {
  auto args = argsFor<csdk_dial_args>(target);
  args.port = port;
  ResultSink sink(name_, context);
  sink.outputFunction = &output;
  return run({Op::dial, &target, {}, &input}, &args, sink, context);
}

Result<SandboxRecord> OpenProvider::extend(const Target& target, std::chrono::milliseconds duration,
                                           const CallContext& context) {
  auto args = argsFor<csdk_extend_args>(target);
  args.duration_ms = duration.count();
  return sandboxCall({Op::extend, &target}, &args, context);
}

Result<SandboxRecord> OpenProvider::pause(const Target& target, const CallContext& context) {
  auto args = argsFor<csdk_target_args>(target);
  return sandboxCall({Op::pause, &target}, &args, context);
}

Result<SandboxRecord> OpenProvider::resume(const Target& target, const CallContext& context) {
  auto args = argsFor<csdk_target_args>(target);
  return sandboxCall({Op::resume, &target}, &args, context);
}

Result<SnapshotInfo> OpenProvider::snapshotCreate(const Target& target, std::string_view name,
                                                  const StringMap& metadata, const CallContext& context) {
  Pairs pairs;
  fill(pairs, &metadata);
  auto args = argsFor<csdk_snapshot_args>(target);
  args.name = toStr(name);
  args.metadata = {pairs.data(), pairs.size()};
  ResultSink sink(name_, context);
  const Ask ask{Op::snapshotCreate, &target};
  if (auto done = run(ask, &args, sink, context); !done) return std::move(done).error();
  if (!sink.snapshot) return missingResult(subjectOf(ask), "a snapshot", host_);
  return std::move(*sink.snapshot);
}

Result<std::vector<SnapshotInfo>> OpenProvider::snapshotList(std::string_view sandboxId, const CallContext& context) {
  auto args = argsFor<csdk_snapshot_args>();
  args.target.id = toStr(sandboxId);
  std::vector<SnapshotInfo> snapshots;
  ResultSink sink(name_, context);
  sink.snapshots = &snapshots;
  if (auto done = run({Op::snapshotList}, &args, sink, context); !done) return std::move(done).error();
  return snapshots;
}

Result<void> OpenProvider::snapshotRemove(std::string_view id, const CallContext& context) {
  auto args = argsFor<csdk_snapshot_args>();
  args.snapshot_id = toStr(id);
  ResultSink sink(name_, context);
  return run({Op::snapshotRemove, nullptr, id}, &args, sink, context);
}

Result<std::vector<TemplateInfo>> OpenProvider::templateList(const CallContext& context) {
  auto args = argsFor<csdk_template_args>();
  std::vector<TemplateInfo> templates;
  ResultSink sink(name_, context);
  sink.templates = &templates;
  if (auto done = run({Op::templateList}, &args, sink, context); !done) return std::move(done).error();
  return templates;
}

Result<std::optional<SandboxRecord>> OpenProvider::namedFind(std::string_view nameSpace, std::string_view name,
                                                             const CallContext& context) {
  auto args = argsFor<csdk_named_args>();
  args.name_space = toStr(nameSpace);
  args.name = toStr(name);
  auto found = sandboxCall({Op::namedFind, nullptr, name}, &args, context);
  if (found) return std::optional(std::move(*found));
  const ErrorCode code = found.error().code;
  if (code == ErrorCode::notFound || code == ErrorCode::sandboxGone) return std::optional<SandboxRecord>();
  return std::move(found).error();
}

Result<SandboxRecord> OpenProvider::namedFindOrCreate(std::string_view nameSpace, std::string_view name,
                                                      const CreateRequest& request, const CallContext& context) {
  if (auto valid = checkOptions(manifest(), request.options); !valid) return std::move(valid).error();
  CreateArgs create(request);
  auto args = argsFor<csdk_named_args>();
  args.name_space = toStr(nameSpace);
  args.name = toStr(name);
  args.create = &create.args;
  return sandboxCall({Op::namedFindOrCreate, nullptr, name}, &args, context, true);
}

Result<std::string> OpenProvider::vendorCall(const Target& target, std::string_view operation, std::string_view json,
                                             const CallContext& context) {
  if (!json.empty()) {
    if (auto parsed = parseJson(json, {.maxBytes = kLongestJson, .maxDepth = 64}); !parsed) {
      ErrorInfo error = std::move(parsed).error();
      error.what = "cannot call the vendor's own operation (" + printable(operation) + ") on " + name_;
      error.why = "its argument is no JSON value: " + error.why;
      error.fix = "give one JSON value, or nothing";
      error.provider = name_;
      error.sandboxId = target.id;
      return error;
    }
  }
  auto args = argsFor<csdk_vendor_call_args>(target);
  args.operation = toStr(operation);
  args.json = toStr(json);
  ResultSink sink(name_, context);
  if (auto done = run({Op::vendorCall, &target, operation}, &args, sink, context); !done) {
    return std::move(done).error();
  }
  return sink.json ? std::move(*sink.json) : std::string("null");
}

}  // namespace computesdk::registry::host
