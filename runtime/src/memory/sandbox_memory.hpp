#pragma once

#include <computesdk/result.hpp>
#include <computesdk/types.hpp>

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace computesdk::detail {

/// What is remembered of one sandbox, so that another program can find it by its id. `token` is secret.
struct RememberedSandbox {
  /// begun: its create has not ended; live; orphan: it should have been destroyed and was not.
  enum class State { begun, live, orphan };
  std::string provider;
  std::string id;
  std::string token;
  State state = State::live;
  std::string name;
  std::string namespace_;
  std::string parentId;
  std::optional<SystemTime> expiresAt;
  std::string maker;  ///< process that began it: "pid:start time", to tell whether it still runs
};

/// The process that runs now, as RememberedSandbox::maker has it.
std::string thisProcess();
/// Whether that process still runs. A maker that cannot be read counts as gone.
bool processRuns(const std::string& maker);

/// Sandboxes by id, on disk: STATE/sandboxes/PROVIDER/ID, folders 0700, files 0600, each written beside its place and
/// renamed. Losing it loses no sandbox where the provider gives tokens again. Thread-safe, and safe between processes.
class SandboxMemory {
 public:
  explicit SandboxMemory(const std::filesystem::path& stateDirectory);

  /// Errors: E_STORE.
  Result<void> save(const RememberedSandbox& sandbox) const;
  /// All of that id, at any provider. What cannot be read is left out.
  [[nodiscard]] std::vector<RememberedSandbox> find(std::string_view id) const;
  /// begun or orphan.
  [[nodiscard]] std::vector<RememberedSandbox> unfinished() const;
  void forget(std::string_view provider, std::string_view id) const noexcept;

 private:
  [[nodiscard]] std::filesystem::path fileOf(std::string_view provider, std::string_view id) const;
  std::filesystem::path folder_;
};

}  // namespace computesdk::detail
