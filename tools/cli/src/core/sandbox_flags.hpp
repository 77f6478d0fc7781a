#pragma once

#include <computesdk/computesdk.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/arguments.hpp"
#include "core/config.hpp"
#include "core/session.hpp"

namespace computesdk::cli {

/// What a new sandbox shall be: the options that run, create, ensure and find share.
struct SandboxFlags {
  std::string net;
  std::string image;
  std::string templateId;
  std::string snapshotId;
  std::vector<std::string> mounts;
  std::string isolation;
  std::string limits;
  std::string name;
  std::string directory;
  std::optional<Milliseconds> ttl;
  std::int64_t memory = 0;
  std::int64_t disk = 0;
  std::int64_t cpus = 0;
  std::int64_t pids = 0;
  std::vector<std::uint16_t> ports;
  StringMap metadata;
  StringMap env;
  std::vector<std::string> vendorOptions;
};

/// `withName`: --name, which ensure and find take as an argument instead. `withTimeout` false: --timeout is refused, as
/// there is no command that it could end.
void addSandboxFlags(Arguments& arguments, SandboxFlags& flags, bool withName, bool withTimeout);

/// The options for the runtime; what is not given comes from the configuration, else from the provider. Errors:
/// E_USAGE.
Result<CreateOptions> createOptions(const SandboxFlags& flags, const CommonFlags& common, const Config& config);

/// "true", "false" and whole numbers are what they look like, everything else is text.
Result<OptionMap> parseVendorOptions(const std::vector<std::string>& pairs);

/// Makes it, with progress on a terminal; tells its notices and, on a terminal, that it is ready.
Result<Sandbox> createSandbox(Session& session, CreateOptions options, bool findFirst);

}  // namespace computesdk::cli
