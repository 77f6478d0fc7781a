#include "fleet.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include "errors.hpp"

namespace computesdk::simulators {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kFolderPrefix = "csdk-simulator-";

int lockFile(const fs::path& file) {
  const int fd = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd >= 0 && ::flock(fd, LOCK_EX | LOCK_NB) == 0) return fd;
  if (fd >= 0) ::close(fd);
  return -1;
}

// What simulators left behind that were killed.
void removeAbandoned(const fs::path& parent) {
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(parent, ignored)) {
    if (!entry.path().filename().string().starts_with(kFolderPrefix) || !fs::exists(entry.path() / "lock")) continue;
    const int lock = lockFile(entry.path() / "lock");
    if (lock < 0) continue;
    fs::remove_all(entry.path(), ignored);
    ::close(lock);
  }
}

ComputeConfig localConfig(const fs::path& folder) {
  ComputeConfig config;
  config.provider = "local";
  config.stateDirectory = folder / "state";
  config.namedSandboxes = false;
  // The keys of vendors in the environment are none of a simulator's business.
  config.environment = [](std::string_view name) -> std::optional<std::string> {
    if (!name.starts_with("COMPUTESDK_LOCAL_") && !name.starts_with("XDG_") && name != "HOME") return {};
    const char* const value = std::getenv(std::string(name).c_str());
    if (value == nullptr) return {};
    return value;
  };
  return config;
}

}  // namespace

Fleet::Fleet(OnExpiry onExpiry) : onExpiry_(std::move(onExpiry)) {
  const fs::path parent = fs::temp_directory_path();
  removeAbandoned(parent);
  std::string name = parent / (std::string(kFolderPrefix) + "XXXXXX");
  if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("cannot make " + name);
  folder_ = name;
  fs::permissions(folder_, fs::perms::owner_all | fs::perms::group_exec | fs::perms::others_exec);
  // It gets its name once it is locked: others would take it for one that was left behind.
  lock_ = lockFile(folder_ / "lock.new");
  fs::rename(folder_ / "lock.new", folder_ / "lock");
  compute_ = std::make_unique<Compute>(localConfig(folder_));
  watcher_ = std::thread([this] { watch(); });
}

Fleet::~Fleet() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  watcher_.join();
  clear();
  compute_.reset();
  std::error_code ignored;
  fs::remove_all(folder_, ignored);
  if (lock_ >= 0) ::close(lock_);
}

std::shared_ptr<Machine> Fleet::create(const std::string& id, const MachineSpec& spec) {
  fs::path folder;
  {
    const std::lock_guard lock(mutex_);
    folder = folder_ / ("machine-" + std::to_string(++lastNumber_));
  }
  std::shared_ptr<Machine> machine(new Machine(id, *compute_, spec, folder));
  if (!spec.snapshot.empty()) restore(*machine, spec.snapshot);
  {
    const std::lock_guard lock(mutex_);
    machines_[id] = machine;
  }
  changed_.notify_all();
  return machine;
}

std::shared_ptr<Machine> Fleet::get(const std::string& id) {
  expireDue();
  const std::lock_guard lock(mutex_);
  const auto found = machines_.find(id);
  return found == machines_.end() ? nullptr : found->second;
}

std::vector<std::string> Fleet::ids() {
  expireDue();
  const std::lock_guard lock(mutex_);
  std::vector<std::string> all;
  for (const auto& [id, machine] : machines_) all.push_back(id);
  return all;
}

bool Fleet::destroy(const std::string& id) {
  std::shared_ptr<Machine> machine;
  {
    const std::lock_guard lock(mutex_);
    const auto found = machines_.find(id);
    if (found == machines_.end()) return false;
    machine = std::move(found->second);
    machines_.erase(found);
  }
  machine->end();
  return true;
}

void Fleet::clear() {
  for (const std::string& id : ids()) destroy(id);
}

bool Fleet::setLifetime(const std::string& id, std::chrono::milliseconds lifetime) {
  const std::shared_ptr<Machine> machine = get(id);
  if (!machine) return false;
  {
    const std::lock_guard lock(mutex_);
    const std::lock_guard inner(machine->mutex_);
    machine->endsAt_.reset();
    if (lifetime.count() > 0) machine->endsAt_ = Clock::now() + lifetime;
  }
  changed_.notify_all();
  return true;
}

void Fleet::watch() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    std::optional<Clock::time_point> next;
    for (const auto& [id, machine] : machines_) {
      const auto end = machine->endsAt();
      if (end && (!next || *end < *next)) next = end;
    }
    if (!next) {
      changed_.wait(lock);
      continue;
    }
    changed_.wait_until(lock, *next);
    lock.unlock();
    expireDue();
    lock.lock();
  }
}

void Fleet::expireDue() {
  const std::lock_guard once(expiring_);
  std::vector<std::shared_ptr<Machine>> due;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [id, machine] : machines_) {
      const auto end = machine->endsAt();
      if (end && *end <= Clock::now()) due.push_back(machine);
    }
  }
  for (const auto& machine : due) {
    if (onExpiry_ && onExpiry_(*machine)) {
      const std::lock_guard inner(machine->mutex_);
      machine->endsAt_.reset();
    } else {
      destroy(machine->id());
    }
  }
}

// Archives are made and unpacked inside, where all files belong to the machine's user.
std::string Fleet::snapshot(const std::string& id) {
  const std::shared_ptr<Machine> machine = get(id);
  if (!machine) throw MachineError(MachineError::Kind::gone, "there is no such machine");
  std::string name;
  {
    const std::lock_guard lock(mutex_);
    name = "snapshot-" + std::to_string(++lastNumber_);
  }
  std::ofstream file(folder_ / name, std::ios::binary);
  std::vector<std::string> argv = {"/bin/tar", "-C", "/", "-cf", "-", "home", "work", "workspace", "tmp"};
  for (const std::string& directory : machine->kept_) argv.push_back(directory.substr(1));
  RunOptions options;
  options.maxOutput = 0;
  options.onStdout = [&file](std::string_view bytes) {
    file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  };
  take(machine->sandbox_->runCommand(nothrow, CommandLine(argv), options));
  file.close();
  if (!file) throw MachineError(MachineError::Kind::diskFull, "the snapshot cannot be written");
  return name;
}

void Fleet::restore(Machine& machine, const std::string& snapshot) {
  const int fd = ::open((folder_ / snapshot).c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) throw MachineError(MachineError::Kind::notFound, "there is no snapshot " + snapshot);
  RunOptions options;
  options.stdinFd = fd;
  const auto done = machine.sandbox_->runCommand(
      nothrow, CommandLine({"/bin/tar", "-C", "/", "-xf", "-", "--no-overwrite-dir"}), options);
  ::close(fd);
  take(done);
}

bool Fleet::removeSnapshot(const std::string& snapshot) {
  std::error_code ignored;
  return snapshot.starts_with("snapshot-") && fs::remove(folder_ / snapshot, ignored);
}

}  // namespace computesdk::simulators
