#pragma once

#include "support.hpp"

#include <atomic>
#include <filesystem>
#include <mutex>

namespace computesdk::gateway::test {

/// A provider whose sandboxes are files of a folder, named by the gateway's id: several processes see the same ones.
/// Thread-safe.
class World {
 public:
  explicit World(std::filesystem::path folder) : folder_(std::move(folder)) {
    std::filesystem::create_directories(folder_);
  }

  [[nodiscard]] ProviderCalls calls();
  /// Makes the file. Counted.
  Result<SandboxRecord> make(SandboxRecord draft);
  [[nodiscard]] NamedSandboxes::Make maker() {
    return [this](SandboxRecord draft) { return make(std::move(draft)); };
  }
  /// As if it had died by itself.
  void lose(const std::string& id) { std::filesystem::remove(folder_ / id); }
  [[nodiscard]] std::vector<std::string> boxes() const;

  std::atomic<int> made = 0;
  std::atomic<int> destroyed = 0;
  std::atomic<bool> refuses = false;      ///< destroy fails
  std::atomic<bool> unreachable = false;  ///< alive fails

 private:
  const std::filesystem::path folder_;
};

ErrorInfo failure(ErrorCode code, std::string why);

}  // namespace computesdk::gateway::test
