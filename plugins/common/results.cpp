#include "common/results.hpp"

#include <computesdk/provider/views.hpp>

#include <algorithm>

namespace computesdk::vendor {

using plugin::str;
using plugin::view;

std::vector<csdk_pair> lend(const Pairs& pairs) {
  std::vector<csdk_pair> out;
  out.reserve(pairs.size());
  for (const auto& [key, value] : pairs) out.push_back({str(key), str(value)});
  return out;
}

void SandboxResult::emit(const plugin::Call& call) const {
  const std::vector<csdk_pair> metadataPairs = lend(metadata);
  const std::vector<csdk_pair> limitPairs = lend(limits);
  std::vector<csdk_str> sentences;
  for (const std::string& notice : notices) sentences.push_back(str(notice));
  auto info = plugin::make<csdk_sandbox_info>();
  info.id = str(id);
  info.token = plugin::bytes(std::string_view(token));
  info.name = str(name);
  info.status = status;
  info.network = network;
  info.created_ms = createdMs;
  info.expires_ms = expiresMs;
  info.cpu_milli = cpuMilli;
  info.memory_bytes = memoryBytes;
  info.disk_bytes = diskBytes;
  info.template_id = str(templateId);
  info.image = str(image);
  info.working_directory = str(workingDirectory);
  info.isolation = str(isolation);
  info.metadata = {metadataPairs.data(), metadataPairs.size()};
  info.limits = {limitPairs.data(), limitPairs.size()};
  info.notices = {sentences.data(), sentences.size()};
  info.native_json = str(nativeJson);
  call.emit(info);
}

void EntryResult::emit(const plugin::Call& call) const {
  auto entry = plugin::make<csdk_entry>();
  entry.name = str(name);
  entry.path = str(path);
  entry.type = type;
  entry.mode = mode;
  entry.size = size;
  entry.modified_ms = modifiedMs;
  entry.owner = str(owner);
  entry.group = str(group);
  entry.link_target = str(linkTarget);
  call.emit(entry);
}

bool carriesAll(const Pairs& metadata, csdk_pairs wanted) {
  const auto list = view(wanted);
  return std::all_of(list.begin(), list.end(), [&](const csdk_pair& want) {
    return std::any_of(metadata.begin(), metadata.end(),
                       [&](const auto& has) { return has.first == view(want.key) && has.second == view(want.value); });
  });
}

void emitExitCode(const plugin::Call& call, std::int64_t code, std::uint32_t flags, bool signalsAbove128) {
  constexpr std::int64_t kSignals = 64;
  if (code < 0 || code > 255) {
    call.exit(CSDK_EXIT_UNKNOWN, 0, flags);
  } else if (signalsAbove128 && code > 128 && code <= 128 + kSignals) {
    call.exitSignal(static_cast<int>(code - 128), flags);
  } else {
    call.exitCode(static_cast<int>(code), flags);
  }
}

}  // namespace computesdk::vendor
