// What a sandbox's registry entry says of it: meta.json.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "../protocol/wire.hpp"
#include "../rootfs/snapshot.hpp"
#include "result.hpp"
#include "types.hpp"

namespace computesdk::local {

struct Meta {
  std::string id;
  std::string name;
  std::array<std::uint8_t, protocol::kTokenSize> token{};
  std::uint32_t uid = 0;  // of the sandbox, in the host's numbers
  std::int64_t createdMs = 0;
  std::int64_t expiresMs = 0;
  NetworkMode network = NetworkMode::kNone;
  Isolation isolation = Isolation::kNamespaces;
  EngineKind engine = EngineKind::kNamespaces;
  std::string workdir;
  Limits limits;
  limits::GroupKind groups = limits::GroupKind::kNone;
  limits::ControllerSet controllers = 0;  // of those, that hold limits
  rootfs::Base base;                      // of its root: what a snapshot of it lies over
  Pairs baseEnvs;                         // the image's; not kept on disk, since envs begin with them
  Pairs envs, metadata;
  std::vector<std::pair<std::uint16_t, std::uint16_t>> ports;
};

// The JSON object without its closing brace and without what only the launcher knows (end, ports).
std::string metaPrefix(const Meta& meta);
Result<Meta> parseMeta(std::string_view text);

SandboxInfo toInfo(const Meta& meta, SandboxStatus status);
std::vector<LimitReport> limitReports(const Meta& meta);

}  // namespace computesdk::local
