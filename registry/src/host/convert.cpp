#include "convert.hpp"

#include <type_traits>
#include <variant>

namespace computesdk::registry::host {
namespace {

std::string text(csdk_str from) { return std::string(view(from)); }

StringMap toMap(const csdk_pairs& pairs) {
  StringMap map;
  for (std::size_t i = 0; pairs.items != nullptr && i < pairs.count; ++i) {
    map.insert_or_assign(text(pairs.items[i].key), text(pairs.items[i].value));
  }
  return map;
}

std::optional<SystemTime> toTime(std::int64_t ms) {
  if (ms <= 0) return std::nullopt;
  return SystemTime(std::chrono::milliseconds(ms));
}

SandboxStatus toStatus(std::uint32_t status) {
  switch (status) {
    case CSDK_SANDBOX_STARTING: return SandboxStatus::starting;
    case CSDK_SANDBOX_RUNNING: return SandboxStatus::running;
    case CSDK_SANDBOX_PAUSED: return SandboxStatus::paused;
    case CSDK_SANDBOX_STOPPED: return SandboxStatus::stopped;
    case CSDK_SANDBOX_ERROR: return SandboxStatus::error;
    default: return SandboxStatus::unknown;
  }
}

NetworkMode toNetwork(std::uint32_t network) {
  if (network == CSDK_NETWORK_NONE) return NetworkMode::none;
  return network == CSDK_NETWORK_FULL ? NetworkMode::full : NetworkMode::providerDefault;
}

EntryType toType(std::uint32_t type) {
  return type <= CSDK_ENTRY_SYMLINK ? static_cast<EntryType>(type) : EntryType::other;
}

}  // namespace

void fill(Pairs& pairs, const StringMap* map) {
  if (map == nullptr || map->empty()) return;
  pairs.reserve(map->size());
  for (const auto& [key, value] : *map) pairs.add({toStr(key), toStr(value)});
}

void fill(Strs& strs, std::span<const std::string> items) {
  if (items.empty()) return;
  strs.reserve(items.size());
  for (const std::string& item : items) strs.add(toStr(item));
}

void fill(Options& options, const OptionMap* map) {
  if (map == nullptr || map->empty()) return;
  options.reserve(map->size());
  for (const auto& [key, value] : *map) options.add(toOption(key, value));
}

csdk_option toOption(std::string_view key, const OptionValue& value) {
  csdk_option option{};
  option.key = toStr(key);
  std::visit(
      [&option](const auto& held) {
        using Held = std::decay_t<decltype(held)>;
        if constexpr (std::is_same_v<Held, bool>) {
          option.kind = CSDK_OPTION_BOOL;
          option.i = held ? 1 : 0;
        } else if constexpr (std::is_same_v<Held, std::int64_t>) {
          option.kind = CSDK_OPTION_I64;
          option.i = held;
        } else if constexpr (std::is_same_v<Held, double>) {
          option.kind = CSDK_OPTION_F64;
          option.d = held;
        } else if constexpr (std::is_same_v<Held, std::string>) {
          option.kind = CSDK_OPTION_STR;
          option.s = toBytes(std::string_view(held));
        } else {
          option.kind = CSDK_OPTION_JSON;
          option.s = toBytes(std::string_view(held.text));
        }
      },
      value);
  return option;
}

SandboxRecord toRecord(const csdk_sandbox_info& from, std::string_view provider) {
  SandboxRecord record;
  record.token = std::string(view(from.token));
  SandboxInfo& info = record.info;
  info.id = text(from.id);
  info.provider = provider;
  info.name = text(from.name);
  info.status = toStatus(from.status);
  info.network = toNetwork(from.network);
  info.createdAt = toTime(from.created_ms);
  info.expiresAt = toTime(from.expires_ms);
  info.neverExpires = from.expires_ms == -1;
  info.cpuMilli = from.cpu_milli;
  info.memoryBytes = from.memory_bytes;
  info.diskBytes = from.disk_bytes;
  info.processLimit = from.process_limit;
  info.templateId = text(from.template_id);
  info.image = text(from.image);
  info.workingDirectory = text(from.working_directory);
  info.isolation = text(from.isolation);
  info.metadata = toMap(from.metadata);
  info.limits = toMap(from.limits);
  for (std::size_t i = 0; from.notices.items != nullptr && i < from.notices.count; ++i) {
    info.notices.push_back(text(from.notices.items[i]));
  }
  info.nativeJson = text(from.native_json);
  return record;
}

FileEntry toEntry(const csdk_entry& from) {
  FileEntry entry;
  entry.name = text(from.name);
  entry.path = text(from.path);
  entry.type = toType(from.type);
  entry.mode = from.mode;
  entry.size = from.size;
  entry.modifiedAt = toTime(from.modified_ms);
  entry.owner = text(from.owner);
  entry.group = text(from.group);
  entry.linkTarget = text(from.link_target);
  return entry;
}

PortUrl toUrl(const csdk_url& from) { return {text(from.url), toMap(from.headers), toTime(from.expires_ms)}; }

ProcessInfo toProcess(const csdk_process& from) {
  ProcessInfo process;
  process.id = text(from.id);
  process.command = text(from.command);
  process.tag = text(from.tag);
  process.running = from.state == CSDK_PROCESS_RUNNING;
  process.pty = (from.flags & CSDK_PROCESS_PTY) != 0;
  if (!process.running) process.exit = toExit(from.exit_kind, from.exit_value, 0);
  process.pid = from.pid;
  process.startedAt = toTime(from.started_ms);
  return process;
}

SnapshotInfo toSnapshot(const csdk_snapshot& from) {
  return {text(from.id),           text(from.name), text(from.sandbox_id),
          toTime(from.created_ms), from.size_bytes, toMap(from.metadata)};
}

TemplateInfo toTemplate(const csdk_template& from) {
  return {text(from.id), text(from.name), text(from.description), toStatus(from.state), toTime(from.created_ms)};
}

Progress toProgress(const csdk_progress& from) { return {text(from.phase), text(from.message), from.done, from.total}; }

ExitStatus toExit(std::uint32_t kind, std::int32_t value, std::uint32_t flags) noexcept {
  ExitStatus exit;
  switch (kind) {
    case CSDK_EXIT_CODE:
      exit.kind = ExitStatus::Kind::code;
      exit.value = value;
      break;
    case CSDK_EXIT_SIGNAL:
      exit.kind = ExitStatus::Kind::signal;
      exit.value = value;
      break;
    case CSDK_EXIT_TIMEOUT: exit.kind = ExitStatus::Kind::timeout; break;
    default: exit.kind = ExitStatus::Kind::unknown; break;
  }
  exit.merged = (flags & CSDK_EXIT_MERGED) != 0;
  exit.lossy = (flags & CSDK_EXIT_LOSSY) != 0;
  exit.truncated = (flags & CSDK_EXIT_TRUNCATED) != 0;
  exit.outOfMemory = (flags & CSDK_EXIT_MEMORY) != 0;
  return exit;
}

}  // namespace computesdk::registry::host
