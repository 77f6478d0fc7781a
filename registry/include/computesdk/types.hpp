#pragma once

#include <computesdk/export.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

// Values that cross the whole product, from a provider to the application. Plain data: copy them freely.
namespace computesdk {

using StringMap = std::map<std::string, std::string>;
using SystemTime = std::chrono::time_point<std::chrono::system_clock, std::chrono::milliseconds>;

/// A JSON text.
struct Json {
  std::string text;
};
/// One value of a provider's configuration or of a vendor option.
using OptionValue = std::variant<bool, std::int64_t, double, std::string, Json>;
using OptionMap = std::map<std::string, OptionValue>;

enum class SandboxStatus { unknown, starting, running, paused, stopped, error };
enum class NetworkMode { providerDefault, none, full };

/// "running", "none", …
COMPUTESDK_API std::string_view toString(SandboxStatus status) noexcept;
COMPUTESDK_API std::string_view toString(NetworkMode mode) noexcept;

/// What is known of a sandbox. Sizes in bytes; 0 or nothing where the provider does not say.
struct SandboxInfo {
  std::string id;
  std::string provider;
  std::string name;        ///< name at the provider, or of the named sandbox
  std::string namespace_;  ///< of a named sandbox
  SandboxStatus status = SandboxStatus::unknown;
  NetworkMode network = NetworkMode::providerDefault;
  std::optional<SystemTime> createdAt;
  std::optional<SystemTime> expiresAt;  ///< nothing: never, or not known
  bool neverExpires = false;
  std::int64_t cpuMilli = 0;  ///< 1000 = one core
  std::int64_t memoryBytes = 0;
  std::int64_t diskBytes = 0;
  std::int64_t processLimit = 0;
  std::string templateId;
  std::string image;
  std::string workingDirectory;
  std::string isolation;  ///< what isolates it, e.g. "userns+seccomp+cgroup1"
  StringMap metadata;
  StringMap limits;                  ///< memory, processes, cpu, disk, output, time -> hard | soft | none
  std::vector<std::string> notices;  ///< sentences to read once, e.g. that a limit is only soft here
  std::string nativeJson;            ///< the vendor's own object, or empty
};

/// How a command ended.
struct COMPUTESDK_API ExitStatus {
  enum class Kind { code, signal, timeout, unknown };
  Kind kind = Kind::unknown;
  int value = 0;             ///< exit code or signal number
  bool merged = false;       ///< stdout and stderr came as one stream
  bool lossy = false;        ///< output is not byte-exact
  bool truncated = false;    ///< output beyond a limit was dropped
  bool outOfMemory = false;  ///< killed at the sandbox's memory limit; false also where the provider cannot tell

  /// As a shell reports it: the code, 128 + signal, 124 for a timeout, -1 when unknown.
  [[nodiscard]] int exitCode() const noexcept;
};

/// `end` comes from a dialled port only, with no bytes: the port sends no more, the other direction may go on.
enum class OutputStream { standardOutput, standardError, data, end };

enum class EntryType { other, file, directory, symlink };
COMPUTESDK_API std::string_view toString(EntryType type) noexcept;

/// A directory entry. `size` is -1 where not known.
struct FileEntry {
  std::string name;
  std::string path;
  EntryType type = EntryType::other;
  std::uint32_t mode = 0;
  std::int64_t size = -1;
  std::optional<SystemTime> modifiedAt;
  std::string owner;
  std::string group;
  std::string linkTarget;
};

struct PortUrl {
  std::string url;
  StringMap headers;  ///< that each request must carry; secret
  std::optional<SystemTime> expiresAt;
};

struct ProcessInfo {
  std::string id;
  std::string command;
  std::string tag;
  bool running = false;
  bool pty = false;
  ExitStatus exit;  ///< when it has ended
  std::int64_t pid = 0;
  std::optional<SystemTime> startedAt;
};

struct SnapshotInfo {
  std::string id;
  std::string name;
  std::string sandboxId;
  std::optional<SystemTime> createdAt;
  std::int64_t sizeBytes = -1;
  StringMap metadata;
};

struct TemplateInfo {
  std::string id;
  std::string name;
  std::string description;
  SandboxStatus state = SandboxStatus::unknown;
  std::optional<SystemTime> createdAt;
};

struct Progress {
  std::string phase;
  std::string message;
  std::int64_t done = 0;
  std::int64_t total = 0;  ///< 0: not known
};

}  // namespace computesdk
