#pragma once

#include "e2b/envd.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

// Background processes and terminals. The daemon keeps no output of them, so a command is started below a small shell
// script that keeps its output in files, and a terminal waits a moment for whoever watches it.
namespace computesdk::e2b {

/// What a process id stands for: "1694" is a command below a keeper, "1762-tty" a terminal, "17-raw" one that somebody
/// else started. The number is the daemon's.
struct ProcessId {
  enum class Kind { kept, terminal, foreign };
  Kind kind = Kind::kept;
  std::int64_t pid = 0;

  /// Throws plugin::Error (CSDK_NOT_FOUND) for what is no id of ours.
  static ProcessId of(csdk_str text);
  [[nodiscard]] std::string text() const;
};

void processStart(Envd& envd, const csdk_process_start_args& args);
void processList(Envd& envd);
void processAttach(Envd& envd, const csdk_process_args& args);
void processWait(Envd& envd, const csdk_process_args& args);
void processWriteStdin(Envd& envd, const csdk_process_args& args);
void processSignal(Envd& envd, const csdk_process_args& args);
void processResize(Envd& envd, const csdk_process_args& args);

}  // namespace computesdk::e2b
