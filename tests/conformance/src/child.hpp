#pragma once

#include "descriptor.hpp"

#include <sys/types.h>

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace computesdk::conformance {

using Environment = std::map<std::string, std::string>;

/// This process's own environment.
Environment ownEnvironment();

/// A program that runs in a process group of its own and is killed with it when this object goes.
class Child {
 public:
  struct Options {
    std::vector<std::string> argv;
    Environment environment;
    std::string outputFile = {};  ///< stdout and stderr go there; empty: stdout to a pipe, stderr as ours
    bool keepInput = false;       ///< stdin is a pipe that ends with this object; otherwise /dev/null
  };
  /// Throws Problem when it cannot be started.
  explicit Child(const Options& options);
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child();

  /// The status of waitpid once it has ended; nothing when it still runs after `limit`.
  std::optional<int> wait(std::chrono::milliseconds limit);
  /// The next line of its stdout; nothing when none came in time or it has ended.
  std::optional<std::string> readLine(std::chrono::milliseconds limit);
  /// Ends its input.
  void closeInput() { input_.close(); }
  [[nodiscard]] pid_t pid() const { return pid_; }
  /// Kills the whole group.
  void kill();

 private:
  pid_t pid_ = -1;
  Descriptor process_, input_, output_;
  std::optional<int> status_;
};

/// "exit code 3", "signal 11 (Segmentation fault)".
std::string describeStatus(int status);

}  // namespace computesdk::conformance
