#include <computesdk/types.hpp>

namespace computesdk {

std::string_view toString(SandboxStatus status) noexcept {
  switch (status) {
    case SandboxStatus::unknown: return "unknown";
    case SandboxStatus::starting: return "starting";
    case SandboxStatus::running: return "running";
    case SandboxStatus::paused: return "paused";
    case SandboxStatus::stopped: return "stopped";
    case SandboxStatus::error: return "error";
  }
  return "unknown";
}

std::string_view toString(NetworkMode mode) noexcept {
  switch (mode) {
    case NetworkMode::providerDefault: return "default";
    case NetworkMode::none: return "none";
    case NetworkMode::full: return "full";
  }
  return "default";
}

std::string_view toString(EntryType type) noexcept {
  switch (type) {
    case EntryType::other: return "other";
    case EntryType::file: return "file";
    case EntryType::directory: return "directory";
    case EntryType::symlink: return "symlink";
  }
  return "other";
}

int ExitStatus::exitCode() const noexcept {
  switch (kind) {
    case Kind::code: return value;
    case Kind::signal: return 128 + value;
    case Kind::timeout: return 124;
    case Kind::unknown: return -1;
  }
  return -1;
}

}  // namespace computesdk
