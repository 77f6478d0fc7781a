#pragma once

#include <computesdk/computesdk.hpp>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "task.hpp"

namespace computesdk::simulators {

using Clock = std::chrono::system_clock;

class Fleet;

/// Why something on a machine could not be done, in the terms that vendors' answers are made of.
class MachineError : public std::runtime_error {
 public:
  enum class Kind { notFound, exists, notDirectory, isDirectory, notEmpty, denied, diskFull, invalid, gone, other };
  MachineError(Kind kind, const std::string& text) : std::runtime_error(text), kind_(kind) {}
  [[nodiscard]] Kind kind() const noexcept { return kind_; }

 private:
  Kind kind_;
};

struct MachineSpec {
  std::chrono::milliseconds lifetime{0};  ///< from now; 0: no end
  StringMap env = {};                     ///< of every task
  /// Absolute. Made at the start, wherever they are: anything below them can be written. The rest of the root is
  /// read-only but for /tmp, /home, /run, /var/tmp, /dev/shm, /work and /workspace.
  std::vector<std::string> directories = {};
  std::string workDirectory = {};  ///< of tasks that name none; made
  std::string snapshot = {};       ///< of Fleet::snapshot
  std::int64_t memoryBytes = std::int64_t{1} << 30;
  std::int64_t diskBytes = std::int64_t{1} << 30;
};

/// One sandbox with real effects, isolated from the host. Thread-safe. Functions throw MachineError; after its end they
/// throw Kind::gone.
class Machine {
 public:
  ~Machine();
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  [[nodiscard]] const std::string& id() const noexcept { return id_; }

  // --- programs
  /// Starts a program. Kind::notFound: it is not there; Kind::invalid: the working directory is not.
  std::shared_ptr<Task> start(TaskSpec spec);
  /// Those that run, by age.
  std::vector<std::shared_ptr<Task>> tasks();
  std::shared_ptr<Task> task(std::int64_t pid);  ///< nullptr: none of that number runs
  /// Every process stands still, or goes on. Tasks that are started while it is frozen run.
  void freeze();
  void thaw();
  /// Ends every process; files stay.
  void killAll();

  // --- files; paths are absolute
  FileEntry stat(const std::string& path, bool follow = true);
  bool exists(const std::string& path);
  std::vector<FileEntry> list(const std::string& path);
  void makeDirectory(const std::string& path);  ///< with parents; one that is there is a success
  void move(const std::string& from, const std::string& to);
  void remove(const std::string& path);  ///< recursive
  void chmod(const std::string& path, std::uint32_t mode);
  void read(const std::string& path, const ByteSink& sink);
  std::string read(const std::string& path, std::int64_t offset = 0, std::int64_t length = -1);
  /// Makes missing parents. `source` fills the buffer and says how much, 0 at the end; it may block.
  void write(const std::string& path, const ByteSource& source, std::uint32_t mode = 0644);
  void write(const std::string& path, std::string_view content, std::uint32_t mode = 0644);

  /// A connection to a port inside, for the caller to close. Kind::notFound: nobody listens.
  int dial(std::uint16_t port);
  /// Runs a short shell line to its end and gives its output; for a simulator's own needs.
  CommandResult run(const std::string& line);

  // --- life
  [[nodiscard]] std::optional<Clock::time_point> endsAt() const;

 private:
  friend class Fleet;
  Machine(std::string id, Compute& compute, const MachineSpec& spec, std::filesystem::path folder);
  void end() noexcept;
  void sweep();
  FileEntry completed(FileEntry entry);

  const std::string id_;
  const std::filesystem::path folder_;   ///< of the folders that are shown inside; made only when there are any
  const std::vector<std::string> kept_;  ///< directories that a snapshot holds
  std::optional<Sandbox> sandbox_;
  mutable std::mutex mutex_;
  std::optional<Clock::time_point> endsAt_;
  std::list<std::shared_ptr<Task>> tasks_;
};

}  // namespace computesdk::simulators
