// What is wrong with a spec, before anything is done for it.
#include <sys/stat.h>

#include <string_view>

#include "engine.hpp"

namespace computesdk::local {
namespace {

Error invalid(const std::string& field, const std::string& what, std::string fix) {
  Error error;
  error.kind = ErrorClass::kInvalidArgument;
  error.message = field + ": " + what;
  error.fix = std::move(fix);
  return error;
}

bool hasNul(std::string_view text) { return text.find('\0') != std::string_view::npos; }

// Absolute, without "." and ".." and empty parts: what is mounted where must be readable from the text.
bool plainAbsolute(std::string_view path) {
  if (path.size() < 2 || path.size() > 4000 || path[0] != '/' || hasNul(path)) return false;
  while (!path.empty()) {
    path.remove_prefix(1);
    const std::string_view part = path.substr(0, path.find('/'));
    if (part.empty() || part == "." || part == "..") return false;
    path.remove_prefix(part.size());
  }
  return true;
}

Status checkPairs(const char* field, const Pairs& pairs, bool environment, std::size_t& total) {
  for (const auto& [key, value] : pairs) {
    total += key.size() + value.size() + 8;
    if (key.empty()) return invalid(field, "a name is empty", "Give it a name.");
    if (hasNul(key) || hasNul(value)) return invalid(field, "\"" + key + "\" holds a NUL byte", "Remove it.");
    if (environment && key.find('=') != std::string::npos) {
      return invalid(field, "the name \"" + key + "\" has a '='", "Names of environment variables have none.");
    }
  }
  return okStatus();
}

Status checkLimits(const Limits& limits) {
  if (limits.memoryBytes < (4ULL << 20) || limits.memoryBytes > (1ULL << 46)) {
    return invalid("memory", std::to_string(limits.memoryBytes) + " bytes", "Give at least 4M, at most 64T.");
  }
  if (limits.processes == 0 || limits.processes > 100000) {
    return invalid("pids", std::to_string(limits.processes), "Give 1 to 100000.");
  }
  if (limits.milliCpus != 0 && (limits.milliCpus < 10 || limits.milliCpus > 8192000)) {
    return invalid("cpus", std::to_string(limits.milliCpus) + " thousandths", "Give at least 0.01, at most 8192.");
  }
  if (limits.diskBytes < (64ULL << 10) || limits.diskBytes > (1ULL << 46)) {
    return invalid("disk", std::to_string(limits.diskBytes) + " bytes", "Give at least 64K, at most 64T.");
  }
  if (limits.openFiles < 16 || limits.openFiles > (1U << 20)) {
    return invalid("open files", std::to_string(limits.openFiles), "Give 16 to 1048576.");
  }
  if (limits.outputBytes == 0) return invalid("output", "0 bytes", "Give at least 1.");
  return okStatus();
}

Status checkMounts(const CreateSpec& spec) {
  if (spec.mounts.size() > 16) return invalid("mounts", "more than 16", "Put several folders below one.");
  for (const Mount& mount : spec.mounts) {
    if (!plainAbsolute(mount.source)) {
      return invalid("mounts", "the source \"" + mount.source + "\" is not an absolute path",
                     "Start it with /, without . or ..");
    }
    if (!plainAbsolute(mount.target)) {
      return invalid("mounts", "the target \"" + mount.target + "\" is not an absolute path",
                     "Start it with /, without . or ..");
    }
    for (const std::string_view own : {"/proc", "/dev", "/.mounts"}) {
      if (mount.target == own || std::string_view(mount.target).starts_with(std::string(own) + "/")) {
        return invalid("mounts", mount.target + " belongs to the sandbox itself", "Choose another target.");
      }
    }
    struct stat status {};
    if (::stat(mount.source.c_str(), &status) != 0) {
      return invalid("mounts", mount.source + " does not exist or cannot be reached", "Check the path.");
    }
    if (!S_ISDIR(status.st_mode) && !S_ISREG(status.st_mode)) {
      return invalid("mounts", mount.source + " is neither a file nor a folder", "Mount the folder that holds it.");
    }
  }
  return okStatus();
}

}  // namespace

Status validate(const CreateSpec& spec) {
  if (Status limits = checkLimits(spec.limits); !limits.ok()) return limits;
  std::size_t total = spec.name.size();
  if (hasNul(spec.name) || spec.name.size() > 256)
    return invalid("name", "longer than 256 bytes, or with a NUL", "Shorten it.");
  if (Status envs = checkPairs("envs", spec.envs, true, total); !envs.ok()) return envs;
  if (Status metadata = checkPairs("metadata", spec.metadata, false, total); !metadata.ok()) return metadata;
  if (total > 24 * 1024)
    return invalid("envs and metadata", "together more than 24 KiB", "Put large values into files.");
  if (!spec.workdir.empty() && !plainAbsolute(spec.workdir)) {
    return invalid("workdir", "\"" + spec.workdir + "\" is not an absolute path without . and ..",
                   "Give one such as /workspace.");
  }
  if (spec.ttl.count() < 0) return invalid("ttl", "negative", "Give a time, or 0 for none.");
  if (spec.ports.size() > 16) return invalid("ports", "more than 16", "Open others later, one by one.");
  for (const std::uint16_t port : spec.ports) {
    if (port == 0) return invalid("ports", "0", "Ports are 1 to 65535.");
  }
  if (!spec.templateSource.empty() && !plainAbsolute(spec.templateSource)) {
    return invalid("template", "\"" + spec.templateSource + "\" is not an absolute path without . and ..",
                   "Give the absolute path of a root file system or of an OCI layout.");
  }
  if (!spec.templateSource.empty() && !spec.snapshotId.empty()) {
    return invalid("template", "given together with a snapshot", "A snapshot brings its base along; leave one out.");
  }
  return checkMounts(spec);
}

}  // namespace computesdk::local
