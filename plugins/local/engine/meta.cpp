#include "meta.hpp"

#include <rapidjson/document.h>

#include <charconv>

namespace computesdk::local {
namespace {

using limits::Controller;
using limits::GroupKind;

void quote(std::string& out, std::string_view text) {
  constexpr char kHex[] = "0123456789abcdef";
  out += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out += "\\u00";
      out += kHex[static_cast<unsigned char>(c) >> 4];
      out += kHex[c & 15];
    } else {
      out += c;
    }
  }
  out += '"';
}

void member(std::string& out, const char* key, std::string_view value) {
  out += ",\"";
  out += key;
  out += "\":";
  quote(out, value);
}

void member(std::string& out, const char* key, std::uint64_t value) {
  out += ",\"";
  out += key;
  out += "\":";
  out += std::to_string(value);
}

// As a list of pairs: order and repeated keys stay.
void member(std::string& out, const char* key, const Pairs& pairs) {
  out += ",\"";
  out += key;
  out += "\":[";
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    if (i > 0) out += ',';
    out += '[';
    quote(out, pairs[i].first);
    out += ',';
    quote(out, pairs[i].second);
    out += ']';
  }
  out += ']';
}

using Json = rapidjson::Value;

std::uint64_t numberAt(const Json& object, const char* key) {
  const auto found = object.FindMember(key);
  return found != object.MemberEnd() && found->value.IsUint64() ? found->value.GetUint64() : 0;
}

std::string textAt(const Json& object, const char* key) {
  const auto found = object.FindMember(key);
  if (found == object.MemberEnd() || !found->value.IsString()) return {};
  return {found->value.GetString(), found->value.GetStringLength()};
}

Pairs pairsAt(const Json& object, const char* key) {
  Pairs pairs;
  const auto found = object.FindMember(key);
  if (found == object.MemberEnd() || !found->value.IsArray()) return pairs;
  for (const Json& item : found->value.GetArray()) {
    if (!item.IsArray() || item.Size() != 2 || !item[0].IsString() || !item[1].IsString()) continue;
    pairs.emplace_back(std::string(item[0].GetString(), item[0].GetStringLength()),
                       std::string(item[1].GetString(), item[1].GetStringLength()));
  }
  return pairs;
}

bool parseToken(const std::string& text, std::array<std::uint8_t, protocol::kTokenSize>& token) {
  if (text.size() != token.size() * 2) return false;
  const auto digit = [](char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1; };
  for (std::size_t i = 0; i < token.size(); ++i) {
    const int high = digit(text[2 * i]), low = digit(text[2 * i + 1]);
    if (high < 0 || low < 0) return false;
    token[i] = static_cast<std::uint8_t>(high * 16 + low);
  }
  return true;
}

void readLive(const Json& document, Meta& meta) {
  const auto live = document.FindMember("live");
  if (live == document.MemberEnd() || !live->value.IsObject()) return;
  meta.expiresMs = static_cast<std::int64_t>(numberAt(live->value, "expires_ms"));
  const auto ports = live->value.FindMember("ports");
  if (ports == live->value.MemberEnd() || !ports->value.IsObject()) return;
  for (const auto& item : ports->value.GetObject()) {
    const std::string_view name(item.name.GetString(), item.name.GetStringLength());
    std::uint16_t port = 0;
    const auto read = std::from_chars(name.data(), name.data() + name.size(), port);
    if (read.ec != std::errc{} || read.ptr != name.data() + name.size() || !item.value.IsUint()) continue;
    meta.ports.emplace_back(port, static_cast<std::uint16_t>(item.value.GetUint()));
  }
}

}  // namespace

std::string metaPrefix(const Meta& meta) {
  constexpr char kHex[] = "0123456789abcdef";
  std::string token;
  for (const std::uint8_t byte : meta.token) {
    token += kHex[byte >> 4];
    token += kHex[byte & 15];
  }
  std::string out = "{\"version\":1";
  member(out, "id", meta.id);
  member(out, "name", meta.name);
  member(out, "token", token);
  member(out, "uid", meta.uid);
  member(out, "created_ms", static_cast<std::uint64_t>(meta.createdMs));
  member(out, "network", meta.network == NetworkMode::kFull ? "full" : "none");
  member(out, "isolation", meta.isolation == Isolation::kNone ? "none" : "namespaces");
  member(out, "engine", toString(meta.engine));
  member(out, "workdir", meta.workdir);
  member(out, "memory", meta.limits.memoryBytes);
  member(out, "processes", meta.limits.processes);
  member(out, "milli_cpus", meta.limits.milliCpus);
  member(out, "disk", meta.limits.diskBytes);
  member(out, "open_files", meta.limits.openFiles);
  member(out, "output", meta.limits.outputBytes);
  member(out, "cgroups", static_cast<std::uint64_t>(meta.groups));
  member(out, "controllers", meta.controllers);
  member(out, "base_kind", meta.base.kind);
  member(out, "base", meta.base.name);
  member(out, "envs", meta.envs);
  member(out, "metadata", meta.metadata);
  return out;
}

Result<Meta> parseMeta(std::string_view text) {
  rapidjson::Document document;
  document.Parse<rapidjson::kParseIterativeFlag>(text.data(), text.size());
  Meta meta;
  if (document.HasParseError() || !document.IsObject() || numberAt(document, "version") != 1 ||
      !parseToken(textAt(document, "token"), meta.token)) {
    Error error;
    error.message = "A sandbox's meta.json cannot be read";
    error.why = "It was written by another version, or damaged.";
    return error;
  }
  meta.id = textAt(document, "id");
  meta.name = textAt(document, "name");
  meta.uid = static_cast<std::uint32_t>(numberAt(document, "uid"));
  meta.createdMs = static_cast<std::int64_t>(numberAt(document, "created_ms"));
  meta.network = textAt(document, "network") == "full" ? NetworkMode::kFull : NetworkMode::kNone;
  meta.isolation = textAt(document, "isolation") == "none" ? Isolation::kNone : Isolation::kNamespaces;
  for (const EngineKind engine : {EngineKind::kRoot, EngineKind::kBubblewrap}) {
    if (textAt(document, "engine") == toString(engine)) meta.engine = engine;
  }
  meta.workdir = textAt(document, "workdir");
  meta.limits.memoryBytes = numberAt(document, "memory");
  meta.limits.processes = static_cast<std::uint32_t>(numberAt(document, "processes"));
  meta.limits.milliCpus = static_cast<std::uint32_t>(numberAt(document, "milli_cpus"));
  meta.limits.diskBytes = numberAt(document, "disk");
  meta.limits.openFiles = static_cast<std::uint32_t>(numberAt(document, "open_files"));
  meta.limits.outputBytes = numberAt(document, "output");
  meta.groups = static_cast<GroupKind>(numberAt(document, "cgroups"));
  meta.controllers = static_cast<limits::ControllerSet>(numberAt(document, "controllers"));
  meta.base = {textAt(document, "base_kind"), textAt(document, "base")};
  meta.envs = pairsAt(document, "envs");
  meta.metadata = pairsAt(document, "metadata");
  readLive(document, meta);
  return meta;
}

std::vector<LimitReport> limitReports(const Meta& meta) {
  using enum LimitStrength;
  const Limits& limits = meta.limits;
  if (meta.isolation == Isolation::kNone) {
    std::vector<LimitReport> reports;
    for (const char* name : {"memory", "processes", "cpu", "disk"}) {
      reports.push_back({name, 0, kNone, "isolation is off"});
    }
    reports.push_back({"open_files", limits.openFiles, kHard, "RLIMIT_NOFILE"});
    reports.push_back({"output", limits.outputBytes, kHard, "counted by the reader"});
    return reports;
  }
  const bool v1 = meta.groups == GroupKind::kV1;
  const bool memory = holds(meta.controllers, Controller::kMemory), cpu = holds(meta.controllers, Controller::kCpu);
  std::vector<LimitReport> reports;
  reports.push_back({"memory", limits.memoryBytes, memory ? kHard : kSoft,
                     memory ? (v1 ? "cgroup v1 memory.limit_in_bytes" : "cgroup v2 memory.max")
                            : "watchdog every 25 ms, RLIMIT_DATA a process"});
  std::string processes = "RLIMIT_NPROC in the sandbox's own user namespace";
  if (meta.engine == EngineKind::kRoot) {
    // Those over a tree run as its owner, and are counted together.
    processes = meta.base.kind == "host" ? "RLIMIT_NPROC of the sandbox's own uid"
                                         : "RLIMIT_NPROC of the uid of all sandboxes over a template or snapshot";
  }
  if (holds(meta.controllers, Controller::kPids)) processes += v1 ? ", cgroup v1 pids.max" : ", cgroup v2 pids.max";
  reports.push_back({"processes", limits.processes, kHard, std::move(processes)});
  if (limits.milliCpus == 0) {
    reports.push_back({"cpu", 0, kNone, "not asked for"});
  } else {
    reports.push_back({"cpu", limits.milliCpus, cpu ? kHard : kSoft,
                       cpu ? (v1 ? "cgroup v1 cpu.cfs_quota_us" : "cgroup v2 cpu.max") : "pinned to cores"});
  }
  reports.push_back({"disk", limits.diskBytes, kHard,
                     meta.engine == EngineKind::kBubblewrap
                         ? "size of the sandbox's tmpfs; its files are counted every 25 ms"
                         : "size and inodes of the sandbox's tmpfs"});
  reports.push_back({"open_files", limits.openFiles, kHard, "RLIMIT_NOFILE a process"});
  reports.push_back({"output", limits.outputBytes, kHard, "counted by the reader, a command and stream"});
  return reports;
}

SandboxInfo toInfo(const Meta& meta, SandboxStatus status) {
  SandboxInfo info;
  info.id = meta.id;
  info.name = meta.name;
  info.status = status;
  info.createdMs = meta.createdMs;
  info.expiresMs = meta.expiresMs;
  info.network = meta.network;
  info.isolation = meta.isolation;
  info.engine = meta.isolation == Isolation::kNone ? "none" : std::string(toString(meta.engine));
  info.workdir = meta.workdir;
  info.limits = limitReports(meta);
  info.metadata = meta.metadata;
  info.ports = meta.ports;
  return info;
}

}  // namespace computesdk::local
