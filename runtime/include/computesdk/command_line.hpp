#pragma once

#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace computesdk {

/// What to run: one string is a line for the sandbox's shell, a list of strings is a program with its arguments, run
/// without a shell.
///
///   sandbox.runCommand("make -j2 | tail");           // shell
///   sandbox.runCommand({"grep", "-c", "a b", path}); // no shell, nothing to quote
///
/// A parameter type: it looks at the caller's text and must not outlive the call that it is passed to.
class CommandLine {
 public:
  CommandLine(const char* command) : command_(command) {}         // NOLINT(google-explicit-constructor)
  CommandLine(std::string_view command) : command_(command) {}    // NOLINT(google-explicit-constructor)
  CommandLine(const std::string& command) : command_(command) {}  // NOLINT(google-explicit-constructor)
  CommandLine(const std::vector<std::string>& argv) : argv_(argv), isArgv_(true) {}  // NOLINT
  CommandLine(std::span<const std::string> argv) : argv_(argv), isArgv_(true) {}     // NOLINT
  CommandLine(std::initializer_list<std::string_view> argv)                          // NOLINT
      : owned_(argv.begin(), argv.end()), argv_(owned_), isArgv_(true) {}
  CommandLine(const CommandLine&) = delete;
  CommandLine& operator=(const CommandLine&) = delete;
  ~CommandLine() = default;

  [[nodiscard]] bool isArgv() const noexcept { return isArgv_; }
  /// The shell's line; empty for an argv.
  [[nodiscard]] std::string_view command() const noexcept { return command_; }
  /// The words; empty for a shell's line.
  [[nodiscard]] std::span<const std::string> argv() const noexcept { return argv_; }

 private:
  std::string_view command_;
  std::vector<std::string> owned_;
  std::span<const std::string> argv_;
  bool isArgv_ = false;
};

}  // namespace computesdk
