#pragma once

#include <computesdk/capabilities.hpp>
#include <computesdk/child_sandboxes.hpp>
#include <computesdk/command.hpp>
#include <computesdk/daemon.hpp>
#include <computesdk/env_file.hpp>
#include <computesdk/export.hpp>
#include <computesdk/filesystem.hpp>
#include <computesdk/port_stream.hpp>
#include <computesdk/process.hpp>
#include <computesdk/result.hpp>
#include <computesdk/server.hpp>
#include <computesdk/session_tokens.hpp>
#include <computesdk/signals.hpp>
#include <computesdk/terminal.hpp>
#include <computesdk/text_files.hpp>
#include <computesdk/types.hpp>
#include <computesdk/watcher.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>

namespace computesdk {

struct UrlOptions {
  std::uint16_t port = 0;
  std::string protocol = {};  ///< "http", "https", "ws", "wss"; empty: the provider's own
  std::stop_token stop = {};
};

struct SnapshotOptions {
  std::string name = {};
  StringMap metadata = {};
  std::stop_token stop = {};
};

/// A sandbox. Move-only. What its destructor does depends on where it came from: one from `create` is owned and is
/// destroyed; one that is named, was kept, or was looked up lives on. `release` and `adopt` change that.
///
/// Thread-safe for concurrent calls, except moving and assigning. Every operation may fail with E_SANDBOX_GONE,
/// E_UNSUPPORTED, E_CANCELLED (its stop token fired), E_TIMEOUT, and what the provider says; it throws
/// computesdk::Error, or returns it in the form that takes `nothrow`. A sandbox that the provider has stopped is
/// started again once.
class COMPUTESDK_API Sandbox {
 public:
  Sandbox(Sandbox&&) noexcept;
  Sandbox& operator=(Sandbox&&) noexcept;
  /// Never throws, and takes 5 s at most. A sandbox that could not be destroyed in that time is logged and remembered;
  /// SandboxManager::reap tries again.
  ~Sandbox();

  [[nodiscard]] const std::string& sandboxId() const noexcept;
  [[nodiscard]] const std::string& provider() const noexcept;
  /// Empty unless it is named.
  [[nodiscard]] const std::string& name() const noexcept;
  [[nodiscard]] const std::string& namespace_() const noexcept;

  /// Runs a command to its end. Copies each byte of output once.
  CommandResult runCommand(const CommandLine& command, const RunOptions& o = {}) {
    return runCommand(nothrow, command, o).value();
  }
  Result<CommandResult> runCommand(Nothrow, const CommandLine& command, const RunOptions& options = {});
  /// Starts a command and returns. Its input stays open: Command::write, closeInput.
  Command runCommandAsync(const CommandLine& command, const RunOptions& o = {}) {
    return runCommandAsync(nothrow, command, o).value();
  }
  Result<Command> runCommandAsync(Nothrow, const CommandLine& command, const RunOptions& options = {});
  /// Runs code by its interpreter from a file of its own, which is removed afterwards. E_INVALID_ARGUMENT for an
  /// unknown language.
  CodeResult runCode(std::string_view code, const CodeOptions& o = {}) { return runCode(nothrow, code, o).value(); }
  Result<CodeResult> runCode(Nothrow, std::string_view code, const CodeOptions& options = {});
  /// As the documents have it: the language as second word.
  CodeResult runCode(std::string_view code, std::string_view language) {
    return runCode(code, CodeOptions{.language = std::string(language)});
  }

  /// Asks the provider; neither wakes nor extends the sandbox.
  SandboxInfo getInfo(std::stop_token stop = {}) { return getInfo(nothrow, std::move(stop)).value(); }
  Result<SandboxInfo> getInfo(Nothrow, std::stop_token stop = {});
  /// What was known when this object was made or last asked; asks nobody.
  [[nodiscard]] SandboxInfo lastInfo() const;

  std::string getUrl(const UrlOptions& o) { return getUrl(nothrow, o).value(); }
  Result<std::string> getUrl(Nothrow, const UrlOptions& options);
  /// The same with the headers that a request must carry.
  PortUrl getPortUrl(const UrlOptions& o) { return getPortUrl(nothrow, o).value(); }
  Result<PortUrl> getPortUrl(Nothrow, const UrlOptions& options);

  /// Opens a stream to a port inside of the sandbox, which needs no network there. Whether somebody listens is told by
  /// the stream. Errors: E_INVALID_ARGUMENT for port 0; E_UNSUPPORTED where the provider carries no streams
  /// (Capabilities::dialPort), getPortUrl is the way then.
  PortStream dialPort(DialOptions o) { return dialPort(nothrow, std::move(o)).value(); }
  Result<PortStream> dialPort(Nothrow, DialOptions options);

  [[nodiscard]] Filesystem filesystem() const;
  [[nodiscard]] Processes processes() const;

  // By the sandbox's daemon, which is put into it and started when one of them is first used.
  [[nodiscard]] Terminals terminals() const;
  [[nodiscard]] Servers server() const;
  [[nodiscard]] Watchers watcher() const;
  [[nodiscard]] Signals signals() const;
  [[nodiscard]] EnvFiles env() const;
  [[nodiscard]] TextFiles file() const;
  [[nodiscard]] SessionTokens sessionTokens() const;
  [[nodiscard]] MagicLinks magicLinks() const;
  [[nodiscard]] ChildSandboxes sandboxes() const;
  [[nodiscard]] Daemon daemon() const;

  [[nodiscard]] Capabilities capabilities() const;
  /// The vendor's own object as JSON text, freshly asked for; empty when it has none.
  std::string native(std::stop_token stop = {}) { return native(nothrow, std::move(stop)).value(); }
  Result<std::string> native(Nothrow, std::stop_token stop = {});
  /// What only this vendor can do, on this sandbox. JSON in (empty: none) and out.
  std::string call(std::string_view operation, std::string_view json = {}, std::stop_token stop = {}) {
    return call(nothrow, operation, json, std::move(stop)).value();
  }
  Result<std::string> call(Nothrow, std::string_view operation, std::string_view json = {}, std::stop_token stop = {});

  /// Lets the sandbox live at least `duration` from now, never shorter than before. E_INVALID_ARGUMENT unless positive.
  SandboxInfo extendTimeout(std::chrono::milliseconds duration = std::chrono::minutes(15), std::stop_token stop = {}) {
    return extendTimeout(nothrow, duration, std::move(stop)).value();
  }
  Result<SandboxInfo> extendTimeout(Nothrow, std::chrono::milliseconds duration = std::chrono::minutes(15),
                                    std::stop_token stop = {});
  void pause(std::stop_token stop = {}) { pause(nothrow, std::move(stop)).value(); }
  Result<void> pause(Nothrow, std::stop_token stop = {});
  /// Makes it ready for commands again; may boot it.
  void resume(std::stop_token stop = {}) { resume(nothrow, std::move(stop)).value(); }
  Result<void> resume(Nothrow, std::stop_token stop = {});
  SnapshotInfo snapshot(const SnapshotOptions& o = {}) { return snapshot(nothrow, o).value(); }
  Result<SnapshotInfo> snapshot(Nothrow, const SnapshotOptions& options = {});

  /// Ends the sandbox for good. Idempotent: one that is gone is a success.
  void destroy(std::stop_token stop = {}) { destroy(nothrow, std::move(stop)).value(); }
  Result<void> destroy(Nothrow, std::stop_token stop = {});
  /// Whether the destructor destroys it.
  [[nodiscard]] bool owned() const noexcept;
  /// Lets the sandbox outlive this object. Returns its id.
  std::string release() noexcept;
  /// Makes this object destroy the sandbox at its end.
  void adopt() noexcept;

 private:
  friend class SandboxManager;
  friend class detail::SandboxState;
  Sandbox(std::shared_ptr<detail::SandboxState> state, bool owned);
  std::shared_ptr<detail::SandboxState> state_;
  bool owned_ = false;
};

}  // namespace computesdk
