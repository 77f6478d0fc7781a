#include "world.hpp"

#include <algorithm>
#include <fstream>

namespace computesdk::gateway::test {

ErrorInfo failure(ErrorCode code, std::string why) {
  ErrorInfo error;
  error.code = code;
  error.what = "cannot do it";
  error.why = std::move(why);
  return error;
}

ProviderCalls World::calls() {
  ProviderCalls calls;
  calls.alive = [this](const SandboxRecord& record) -> Result<bool> {
    if (unreachable) return failure(ErrorCode::unavailable, "the provider is away");
    return std::filesystem::exists(folder_ / record.id);
  };
  calls.destroy = [this](const SandboxRecord& record) -> Result<void> {
    if (refuses) return failure(ErrorCode::unavailable, "the provider is away");
    if (std::filesystem::remove(folder_ / record.id)) ++destroyed;
    return {};
  };
  return calls;
}

Result<SandboxRecord> World::make(SandboxRecord draft) {
  ++made;
  std::ofstream(folder_ / draft.id) << "box";
  return madeOf(std::move(draft));
}

std::vector<std::string> World::boxes() const {
  std::vector<std::string> ids;
  for (const auto& entry : std::filesystem::directory_iterator(folder_)) ids.push_back(entry.path().filename());
  std::sort(ids.begin(), ids.end());
  return ids;
}

}  // namespace computesdk::gateway::test
