#pragma once

#include "values/fd.hpp"

#include <computesdk/registry/loader.hpp>

#include <sys/types.h>
#include <string>

namespace computesdk::registry::host {

/// A running computesdk-plugin-host. Killed with its whole session and reaped by the destructor. Not thread-safe.
class ChildProcess {
 public:
  ChildProcess() = default;
  ChildProcess(ChildProcess&& other) noexcept;
  ChildProcess& operator=(ChildProcess&& other) noexcept;
  ~ChildProcess() { end(); }

  /// Starts `program` for the plug-in. The process dies with the thread that calls this. Errors: E_PLUGIN_LOAD.
  static Result<ChildProcess> start(const std::filesystem::path& program, const Manifest& manifest,
                                    const LibraryFile& library);

  explicit operator bool() const noexcept { return pid_ > 0; }
  [[nodiscard]] int socket() const noexcept { return socket_.get(); }     ///< non-blocking
  [[nodiscard]] int errorPipe() const noexcept { return errors_.get(); }  ///< its stdout and stderr, non-blocking
  void closeErrorPipe() noexcept { errors_.reset(); }

  /// Kills what is left, reaps, and says how it ended: "was killed by signal 11 (Segmentation fault)".
  std::string end() noexcept;

 private:
  pid_t pid_ = -1;
  UniqueFd pidfd_, socket_, errors_;
};

}  // namespace computesdk::registry::host
