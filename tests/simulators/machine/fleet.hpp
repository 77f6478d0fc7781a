#pragma once

#include <condition_variable>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "machine.hpp"

namespace computesdk::simulators {

/// All machines of a simulator, by the ids that it gives them. Thread-safe. Its destructor ends them all; when the
/// program is killed they end too.
class Fleet {
 public:
  /// Asked when a machine's time is over. True: it lives on, without an end (the simulator has paused it, say). Must
  /// not call the fleet, and no lock that it takes may be held by one who calls the fleet.
  using OnExpiry = std::function<bool(Machine& machine)>;

  explicit Fleet(OnExpiry onExpiry = {});
  ~Fleet();
  Fleet(const Fleet&) = delete;
  Fleet& operator=(const Fleet&) = delete;

  std::shared_ptr<Machine> create(const std::string& id, const MachineSpec& spec);
  /// nullptr: there is none, or its time is over.
  std::shared_ptr<Machine> get(const std::string& id);
  std::vector<std::string> ids();
  /// False: there is none.
  bool destroy(const std::string& id);
  void clear();
  /// Counted from now, so it can shorten too; 0: no end. False: there is none.
  bool setLifetime(const std::string& id, std::chrono::milliseconds lifetime);

  /// Keeps the files below the machine's directories, /home, /work, /workspace and /tmp, for MachineSpec::snapshot. The
  /// snapshot's id; it stays when the machine ends.
  std::string snapshot(const std::string& id);
  bool removeSnapshot(const std::string& snapshot);

 private:
  void watch();
  void expireDue();
  void restore(Machine& machine, const std::string& snapshot);

  const OnExpiry onExpiry_;
  std::filesystem::path folder_;  ///< what is on the host's disk
  int lock_ = -1;                 ///< says that the folder's owner lives
  std::unique_ptr<Compute> compute_;
  std::mutex expiring_;  ///< held while machines expire, so that who looks afterwards sees the outcome
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, std::shared_ptr<Machine>> machines_;
  int lastNumber_ = 0;
  bool stopping_ = false;
  std::thread watcher_;
};

}  // namespace computesdk::simulators
