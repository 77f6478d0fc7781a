#pragma once

#include <computesdk/command_line.hpp>
#include <computesdk/export.hpp>
#include <computesdk/result.hpp>
#include <computesdk/types.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

namespace computesdk {

namespace detail {
class SandboxState;
}

struct ProcessOptions {
  std::string cwd = {};  ///< absolute; empty: the sandbox's working directory
  StringMap env = {};
  std::optional<std::chrono::milliseconds> timeout = {};  ///< nothing or 0: none
  bool keepStdin = false;                                 ///< input stays open for write; always so with a PTY
  bool pty = false;
  std::uint32_t columns = 80;
  std::uint32_t rows = 24;
  std::string tag = {};  ///< to find it by in list
  OptionMap options = {};
  std::stop_token stop = {};
};

/// Takes a background process's output. Runs on a runtime thread, one at a time; must not block.
using ProcessOutput = std::function<void(OutputStream stream, std::span<const std::byte> bytes)>;

struct AttachOptions {
  std::int64_t offset = 0;  ///< byte of the kept output to begin with; -1: only what comes from now on
  bool follow = true;       ///< false: only what is kept; the status is unknown if the process runs on
  ProcessOutput onOutput = {};
  std::stop_token stop = {};  ///< ends the call, not the process
};

/// A process that outlives the call that started it, named by its id. A small value that shares the sandbox's state;
/// copy it freely. Thread-safe. Losing it does not end the process. Errors of all: E_NOT_FOUND for an unknown id,
/// E_UNSUPPORTED without process/1 at the provider.
class COMPUTESDK_API Process {
 public:
  [[nodiscard]] const std::string& id() const noexcept { return id_; }

  /// Streams the output until the process ends.
  ExitStatus attach(const AttachOptions& options) { return attach(nothrow, options).value(); }
  Result<ExitStatus> attach(Nothrow, const AttachOptions& options);
  /// Waits for the end, without output.
  ExitStatus wait(std::stop_token stop = {}) { return wait(nothrow, std::move(stop)).value(); }
  Result<ExitStatus> wait(Nothrow, std::stop_token stop = {});
  /// Writes all of it to the input or the terminal. E_PRECONDITION when the input is closed.
  void write(std::span<const std::byte> bytes, std::stop_token stop = {}) {
    write(nothrow, bytes, std::move(stop)).value();
  }
  void write(std::string_view text, std::stop_token stop = {}) {
    write(nothrow, std::as_bytes(std::span{text}), std::move(stop)).value();
  }
  Result<void> write(Nothrow, std::span<const std::byte> bytes, std::stop_token stop = {});
  void closeInput(std::stop_token stop = {}) { closeInput(nothrow, std::move(stop)).value(); }
  Result<void> closeInput(Nothrow, std::stop_token stop = {});
  /// Linux number; with `group` to every descendant too. To one that has ended: a success.
  void signal(int number, bool group = true, std::stop_token stop = {}) {
    signal(nothrow, number, group, std::move(stop)).value();
  }
  Result<void> signal(Nothrow, int number, bool group = true, std::stop_token stop = {});
  void resize(std::uint32_t columns, std::uint32_t rows, std::stop_token stop = {}) {
    resize(nothrow, columns, rows, std::move(stop)).value();
  }
  Result<void> resize(Nothrow, std::uint32_t columns, std::uint32_t rows, std::stop_token stop = {});

 private:
  friend class Processes;
  Process(std::shared_ptr<detail::SandboxState> state, std::string id) : state_(std::move(state)), id_(std::move(id)) {}
  std::shared_ptr<detail::SandboxState> state_;
  std::string id_;
};

/// Background processes and terminals of one sandbox. A small value, as Process.
class COMPUTESDK_API Processes {
 public:
  Process start(const CommandLine& command, const ProcessOptions& o = {}) { return start(nothrow, command, o).value(); }
  Result<Process> start(Nothrow, const CommandLine& command, const ProcessOptions& options = {});
  /// Those started by other programs too.
  std::vector<ProcessInfo> list(std::stop_token stop = {}) { return list(nothrow, std::move(stop)).value(); }
  Result<std::vector<ProcessInfo>> list(Nothrow, std::stop_token stop = {});
  /// A handle on a known id; asks nobody.
  [[nodiscard]] Process get(std::string id) const;

 private:
  friend class Sandbox;
  explicit Processes(std::shared_ptr<detail::SandboxState> state) : state_(std::move(state)) {}
  std::shared_ptr<detail::SandboxState> state_;
};

}  // namespace computesdk
