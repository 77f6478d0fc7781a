#pragma once

#include <computesdk/plugin.h>
#include <computesdk/provider/call.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// Results that own their texts until they are pushed.
namespace computesdk::vendor {

using Pairs = std::vector<std::pair<std::string, std::string>>;

/// Views into `pairs`, which must stay.
std::vector<csdk_pair> lend(const Pairs& pairs);

/// csdk_sandbox_info with texts of its own.
struct SandboxResult {
  std::string id, token, name, templateId, image, workingDirectory, isolation, nativeJson;
  std::uint32_t status = CSDK_SANDBOX_UNKNOWN;
  std::uint32_t network = CSDK_NETWORK_DEFAULT;
  std::int64_t createdMs = 0, expiresMs = 0, cpuMilli = 0, memoryBytes = 0, diskBytes = 0;
  Pairs metadata, limits;
  std::vector<std::string> notices;

  void emit(const plugin::Call& call) const;
};

/// csdk_entry with texts of its own.
struct EntryResult {
  std::string name, path, owner, group, linkTarget;
  std::uint32_t type = CSDK_ENTRY_OTHER;
  std::uint32_t mode = 0;
  std::int64_t size = -1, modifiedMs = 0;

  void emit(const plugin::Call& call) const;
};

/// Whether `metadata` holds all of `wanted`.
bool carriesAll(const Pairs& metadata, csdk_pairs wanted);

/// How a command ended that a shell or daemon reports as a number: 128 + n of a signal n is told as the signal, when
/// `signalsAbove128`.
void emitExitCode(const plugin::Call& call, std::int64_t code, std::uint32_t flags = 0, bool signalsAbove128 = true);

}  // namespace computesdk::vendor
