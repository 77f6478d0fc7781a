#include "plugin/convert.hpp"

#include <array>
#include <cerrno>
#include <cstdio>
#include <string_view>
#include <utility>

namespace computesdk::local {

using namespace computesdk::plugin;

namespace {

csdk_status statusOf(ErrorClass kind) {
  switch (kind) {
    case ErrorClass::kCancelled: return CSDK_CANCELLED;
    case ErrorClass::kInvalidArgument: return CSDK_INVALID_ARGUMENT;
    case ErrorClass::kDeadlineExceeded: return CSDK_DEADLINE_EXCEEDED;
    case ErrorClass::kNotFound: return CSDK_NOT_FOUND;
    case ErrorClass::kAlreadyExists: return CSDK_ALREADY_EXISTS;
    case ErrorClass::kPermissionDenied: return CSDK_PERMISSION_DENIED;
    case ErrorClass::kResourceExhausted: return CSDK_RESOURCE_EXHAUSTED;
    case ErrorClass::kFailedPrecondition: return CSDK_FAILED_PRECONDITION;
    case ErrorClass::kOutOfRange: return CSDK_OUT_OF_RANGE;
    case ErrorClass::kUnimplemented: return CSDK_UNIMPLEMENTED;
    case ErrorClass::kUnavailable: return CSDK_UNAVAILABLE;
    case ErrorClass::kInternal: break;
  }
  return CSDK_INTERNAL;
}

std::uint32_t classOf(const Error& error, Subject subject) {
  if (error.systemError == ENOSPC || error.systemError == EDQUOT) return CSDK_ERROR_DISK_FULL;
  if (error.kind == ErrorClass::kNotFound && error.systemError == 0 && subject == Subject::sandbox) {
    return CSDK_ERROR_GONE;
  }
  return CSDK_ERROR_PLAIN;
}

[[noreturn]] void refuseOption(const char* what, const char* fix) {
  throw plugin::Error(CSDK_UNIMPLEMENTED, what).fix(fix);
}

// "SOURCE:TARGET", "SOURCE:TARGET:ro" or "SOURCE:TARGET:rw", one a line.
std::vector<Mount> parseMounts(std::string_view lines) {
  std::vector<Mount> mounts;
  while (!lines.empty()) {
    const std::size_t end = lines.find('\n');
    std::string_view line = lines.substr(0, end);
    lines = end == std::string_view::npos ? std::string_view{} : lines.substr(end + 1);
    if (line.empty()) continue;
    Mount mount;
    if (line.ends_with(":rw")) {
      mount.writable = true;
      line.remove_suffix(3);
    } else if (line.ends_with(":ro")) {
      line.remove_suffix(3);
    }
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos || colon == 0 || colon + 1 == line.size()) {
      throw plugin::Error(CSDK_INVALID_ARGUMENT, "a mount is not of the form SOURCE:TARGET[:ro|rw]")
          .fix("give absolute paths, e.g. /opt/tools:/opt/tools:ro");
    }
    mount.source = line.substr(0, colon);
    mount.target = line.substr(colon + 1);
    mounts.push_back(std::move(mount));
  }
  return mounts;
}

bool parseWritable(std::string_view text) {
  if (text == "overlay") return true;
  if (text == "none") return false;
  throw plugin::Error(CSDK_INVALID_ARGUMENT, "the option 'writable' is neither \"overlay\" nor \"none\"")
      .fix("give --option writable=overlay, or leave it out");
}

std::uint64_t positive(std::int64_t value, const char* name) {
  if (value < 0) throw plugin::Error(CSDK_INVALID_ARGUMENT, std::string(name) + " must not be negative");
  return static_cast<std::uint64_t>(value);
}

void applyLimits(const csdk_create_args& args, const Options& options, Limits& limits) {
  if (args.memory_bytes != 0) limits.memoryBytes = positive(args.memory_bytes, "memory");
  if (args.disk_bytes != 0) limits.diskBytes = positive(args.disk_bytes, "disk");
  if (args.process_limit != 0) {
    const std::uint64_t processes = positive(args.process_limit, "process limit");
    if (processes > UINT32_MAX) throw plugin::Error(CSDK_INVALID_ARGUMENT, "process limit is out of range");
    limits.processes = static_cast<std::uint32_t>(processes);
  }
  if (args.cpu_milli != 0) {
    const std::uint64_t cpu = positive(args.cpu_milli, "cpu");
    if (cpu > UINT32_MAX) throw plugin::Error(CSDK_INVALID_ARGUMENT, "cpu is out of range");
    limits.milliCpus = static_cast<std::uint32_t>(cpu);
  }
  if (const auto files = options.integer("open_files")) {
    limits.openFiles = static_cast<std::uint32_t>(positive(*files, "open_files"));
  }
  if (const auto output = options.integer("output_bytes")) limits.outputBytes = positive(*output, "output_bytes");
  limits.requireHard = (args.flags & CSDK_CREATE_REQUIRE_HARD_LIMITS) != 0;
}

}  // namespace

void raise(const Error& error, Subject subject) {
  std::string message = error.message;
  if (!error.why.empty()) message += ": " + error.why;
  auto described = plugin::Error(statusOf(error.kind), std::move(message)).fix(error.fix);
  described.errorClass(classOf(error, subject));
  if (error.kind == ErrorClass::kUnavailable) described.retryable();
  throw described;
}

Pairs toPairs(csdk_pairs pairs) {
  Pairs result;
  result.reserve(pairs.count);
  for (const csdk_pair& pair : view(pairs)) result.emplace_back(view(pair.key), view(pair.value));
  return result;
}

std::vector<std::string> toStrings(csdk_strs list) {
  std::vector<std::string> result;
  result.reserve(list.count);
  for (const csdk_str& item : view(list)) result.emplace_back(view(item));
  return result;
}

CreateSpec toSpec(const csdk_create_args& args) {
  if (args.image.size != 0) {
    refuseOption("images are not supported: local shows this machine's own /usr",
                 "leave --image out, or use --template with a folder that holds a root file system");
  }
  const Options options(args.options);
  CreateSpec spec;
  spec.name = view(args.name);
  applyLimits(args, options, spec.limits);
  spec.network = args.network == CSDK_NETWORK_FULL ? NetworkMode::kFull : NetworkMode::kNone;
  if (args.flags & CSDK_CREATE_ISOLATION_NONE) spec.isolation = Isolation::kNone;
  spec.envs = toPairs(args.env);
  spec.metadata = toPairs(args.metadata);
  spec.workdir = view(args.working_directory);
  if (args.timeout_ms > 0) spec.ttl = Milliseconds(args.timeout_ms);
  if (args.timeout_ms < 0) spec.ttl = Milliseconds(0);
  const auto ports = view(args.ports);
  spec.ports.assign(ports.begin(), ports.end());
  if (const auto mounts = options.text("mounts")) spec.mounts = parseMounts(*mounts);
  spec.templateSource = view(args.template_id);
  spec.snapshotId = view(args.snapshot_id);
  if (const auto writable = options.text("writable")) spec.writableBase = parseWritable(*writable);
  spec.dieWithHost = (args.flags & CSDK_CREATE_DIE_WITH_HOST) != 0;
  return spec;
}

void emitInfo(const Call& call, const SandboxInfo& info, std::span<const std::string> notices) {
  std::vector<csdk_pair> metadata, limits;
  for (const auto& [key, value] : info.metadata) metadata.push_back({str(key), str(value)});
  auto result = make<csdk_sandbox_info>();
  for (const LimitReport& limit : info.limits) {
    limits.push_back({str(limit.name), str(toString(limit.strength))});
    const auto value = static_cast<std::int64_t>(limit.value);
    if (limit.name == "memory") result.memory_bytes = value;
    if (limit.name == "disk") result.disk_bytes = value;
    if (limit.name == "cpu") result.cpu_milli = value;
    if (limit.name == "processes") result.process_limit = value;
  }
  std::vector<csdk_str> sentences;
  for (const std::string& notice : notices) sentences.push_back(str(notice));
  const bool isolated = info.isolation != Isolation::kNone;
  const std::string isolation = isolated ? info.engine + "+seccomp" : "none";
  result.id = str(info.id);
  result.name = str(info.name);
  result.status = info.status == SandboxStatus::kRunning ? CSDK_SANDBOX_RUNNING : CSDK_SANDBOX_STOPPED;
  result.network = info.network == NetworkMode::kFull ? CSDK_NETWORK_FULL : CSDK_NETWORK_NONE;
  if (!isolated) result.network = CSDK_NETWORK_FULL;
  result.created_ms = info.createdMs;
  result.expires_ms = info.expiresMs == 0 ? -1 : info.expiresMs;
  result.working_directory = str(info.workdir);
  result.isolation = str(isolation);
  result.metadata = {metadata.data(), metadata.size()};
  result.limits = {limits.data(), limits.size()};
  result.notices = {sentences.data(), sentences.size()};
  call.emit(result);
}

std::vector<std::string> softLimitNotices(const csdk_create_args& asked, const SandboxInfo& info) {
  const std::array<std::pair<std::string_view, bool>, 4> given = {{{"memory", asked.memory_bytes != 0},
                                                                   {"processes", asked.process_limit != 0},
                                                                   {"cpu", asked.cpu_milli != 0},
                                                                   {"disk", asked.disk_bytes != 0}}};
  std::vector<std::string> notices;
  for (const LimitReport& limit : info.limits) {
    if (limit.strength == LimitStrength::kHard) continue;
    for (const auto& [name, wasGiven] : given) {
      if (!wasGiven || name != limit.name) continue;
      notices.push_back("the " + limit.name + " limit is " + std::string(toString(limit.strength)) + " here" +
                        (limit.how.empty() ? "" : " (" + limit.how + ")"));
    }
  }
  return notices;
}

void emitSnapshot(const Call& call, const SnapshotSummary& snapshot) {
  std::vector<csdk_pair> metadata;
  for (const auto& [key, value] : snapshot.metadata) metadata.push_back({str(key), str(value)});
  auto result = make<csdk_snapshot>();
  result.id = str(snapshot.id);
  result.name = str(snapshot.name);
  result.sandbox_id = str(snapshot.sandboxId);
  result.created_ms = snapshot.createdMs;
  result.size_bytes = static_cast<std::int64_t>(snapshot.bytes);
  result.metadata = {metadata.data(), metadata.size()};
  call.emit(result);
}

void emitProcess(const Call& call, const ProcessInfo& info, std::string_view tag) {
  const std::string id = std::to_string(info.pid);
  auto process = make<csdk_process>();
  process.flags = info.pty ? CSDK_PROCESS_PTY : 0;
  process.id = str(id);
  process.command = str(info.command);
  process.tag = str(tag);
  process.state = info.running ? CSDK_PROCESS_RUNNING : CSDK_PROCESS_ENDED;
  process.pid = info.pid;
  process.started_ms = info.startedMs;
  if (!info.running) {
    process.exit_kind = info.exit.kind == ExitKind::kCode      ? CSDK_EXIT_CODE
                        : info.exit.kind == ExitKind::kSignal  ? CSDK_EXIT_SIGNAL
                        : info.exit.kind == ExitKind::kTimeout ? CSDK_EXIT_TIMEOUT
                                                               : CSDK_EXIT_UNKNOWN;
    process.exit_value = info.exit.value;
  }
  call.emit(process);
}

void emitExit(const Call& call, const ExitStatus& status) {
  std::uint32_t flags = status.truncated ? CSDK_EXIT_TRUNCATED : 0;
  if (status.outOfMemory) flags |= CSDK_EXIT_MEMORY;
  switch (status.kind) {
    case ExitKind::kCode: return call.exit(CSDK_EXIT_CODE, status.value, flags);
    case ExitKind::kSignal: return call.exit(CSDK_EXIT_SIGNAL, status.value, flags);
    case ExitKind::kTimeout: return call.exit(CSDK_EXIT_TIMEOUT, 0, flags);
    case ExitKind::kUnknown: break;
  }
  call.exit(CSDK_EXIT_UNKNOWN, 0, flags);
}

void emitEntry(const Call& call, std::string_view path, std::string_view name, const FileStat& stat) {
  auto entry = make<csdk_entry>();
  entry.name = str(name);
  entry.path = str(path);
  entry.type = stat.kind == FileKind::kFile        ? CSDK_ENTRY_FILE
               : stat.kind == FileKind::kDirectory ? CSDK_ENTRY_DIRECTORY
               : stat.kind == FileKind::kSymlink   ? CSDK_ENTRY_SYMLINK
                                                   : CSDK_ENTRY_OTHER;
  entry.mode = stat.mode;
  entry.size = static_cast<std::int64_t>(stat.size);
  entry.modified_ms = stat.modifiedMs;
  call.emit(entry);
}

std::string toJson(const SandboxStats& stats) {
  char text[320];
  const int size = std::snprintf(
      text, sizeof text,
      R"({"memory_bytes":%llu,"disk_used_bytes":%llu,"disk_total_bytes":%llu,"files_used":%llu,"files_total":%llu,)"
      R"("processes":%u,"cpu_us":%llu})",
      static_cast<unsigned long long>(stats.memoryBytes), static_cast<unsigned long long>(stats.diskUsedBytes),
      static_cast<unsigned long long>(stats.diskTotalBytes), static_cast<unsigned long long>(stats.filesUsed),
      static_cast<unsigned long long>(stats.filesTotal), stats.processes,
      static_cast<unsigned long long>(stats.cpuMicroseconds));
  return std::string(text, static_cast<std::size_t>(size));
}

}  // namespace computesdk::local
