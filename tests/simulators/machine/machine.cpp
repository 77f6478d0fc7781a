#include "machine.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "errors.hpp"

namespace computesdk::simulators {

namespace fs = std::filesystem;

namespace {

constexpr std::array<std::string_view, 7> kWritable = {"/tmp",     "/home", "/run",      "/var/tmp",
                                                       "/dev/shm", "/work", "/workspace"};

bool isBelow(std::string_view path, std::string_view folder) {
  return path.starts_with(folder) && (path.size() == folder.size() || path[folder.size()] == '/');
}

bool canBeMade(std::string_view path) {
  return std::any_of(kWritable.begin(), kWritable.end(),
                     [&](std::string_view folder) { return isBelow(path, folder); });
}

// A folder of the host stands behind each directory that the sandbox could not make itself.
std::string mountsFor(const std::vector<std::string>& directories, const fs::path& folder) {
  std::string lines;
  int number = 0;
  for (const std::string& directory : directories) {
    if (canBeMade(directory)) continue;
    const fs::path source = folder / std::to_string(number++);
    fs::create_directories(source);
    fs::permissions(folder, fs::perms::owner_all | fs::perms::group_exec | fs::perms::others_exec);
    fs::permissions(source, fs::perms::all);  // the sandbox's user is another one outside
    lines += source.string() + ":" + directory + ":rw\n";
  }
  return lines;
}

std::vector<std::string> directoriesOf(const MachineSpec& spec) {
  std::vector<std::string> all = spec.directories;
  if (!spec.workDirectory.empty()) all.push_back(spec.workDirectory);
  return all;
}

CreateOptions createOptions(const MachineSpec& spec, const fs::path& folder) {
  CreateOptions options;
  options.timeout = std::chrono::milliseconds(0);  // the fleet ends it
  options.dieWithHost = true;
  options.envs = spec.env;
  options.directory = spec.workDirectory;
  options.memoryBytes = spec.memoryBytes;
  options.diskBytes = spec.diskBytes;
  options.processLimit = 4096;
  options.options["output_bytes"] = std::int64_t{1} << 50;
  const std::string mounts = mountsFor(directoriesOf(spec), folder);
  if (!mounts.empty()) options.options["mounts"] = mounts;
  return options;
}

}  // namespace

void raise(const ErrorInfo& error) {
  using Kind = MachineError::Kind;
  Kind kind = Kind::other;
  switch (error.code) {
    case ErrorCode::fileNotFound:
    case ErrorCode::notFound: kind = Kind::notFound; break;
    case ErrorCode::sandboxGone: kind = Kind::gone; break;
    case ErrorCode::alreadyExists: kind = Kind::exists; break;
    case ErrorCode::permission: kind = Kind::denied; break;
    case ErrorCode::diskFull: kind = Kind::diskFull; break;
    case ErrorCode::invalidArgument:
    case ErrorCode::precondition: kind = Kind::invalid; break;
    default: break;
  }
  throw MachineError(kind, error.firstLine());
}

Machine::Machine(std::string id, Compute& compute, const MachineSpec& spec, fs::path folder)
    : id_(std::move(id)), folder_(std::move(folder)), kept_(directoriesOf(spec)) {
  if (spec.lifetime.count() > 0) endsAt_ = Clock::now() + spec.lifetime;
  sandbox_.emplace(take(compute.sandbox().create(nothrow, createOptions(spec, folder_))));
  Filesystem files = sandbox_->filesystem();
  for (const std::string& directory : kept_) {
    if (canBeMade(directory)) take(files.mkdir(nothrow, directory));
  }
}

Machine::~Machine() {
  end();
  std::error_code ignored;
  fs::remove_all(folder_, ignored);
}

void Machine::end() noexcept {
  (void)sandbox_->destroy(nothrow);
  std::list<std::shared_ptr<Task>> tasks;
  {
    const std::lock_guard lock(mutex_);
    tasks.swap(tasks_);
  }
  for (const auto& task : tasks) task->finish();
}

// Forgets the tasks that have ended; mutex_ is held.
void Machine::sweep() {
  std::erase_if(tasks_, [](const std::shared_ptr<Task>& task) {
    if (!task->done_) return false;
    task->thread_.join();
    return true;
  });
}

std::shared_ptr<Task> Machine::start(TaskSpec spec) {
  std::shared_ptr<Task> task(new Task(*sandbox_, std::move(spec)));
  const std::lock_guard lock(mutex_);
  sweep();
  tasks_.push_back(task);
  return task;
}

std::vector<std::shared_ptr<Task>> Machine::tasks() {
  const std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<Task>> running;
  for (const auto& task : tasks_) {
    if (!task->ended() && !task->spec().hidden) running.push_back(task);
  }
  return running;
}

std::shared_ptr<Task> Machine::task(std::int64_t pid) {
  for (auto& task : tasks()) {
    if (task->pid() == pid) return task;
  }
  return nullptr;
}

CommandResult Machine::run(const std::string& line) {
  return take(sandbox_->runCommand(nothrow, CommandLine({"/bin/sh", "-c", line})));
}

// A signal to -1 reaches all but process 1 and the shell that sends it.
void Machine::freeze() { run("kill -STOP -1 2>/dev/null; true"); }
void Machine::thaw() { run("kill -CONT -1 2>/dev/null; true"); }
void Machine::killAll() { run("kill -KILL -1 2>/dev/null; true"); }

// The provider tells neither owners nor where links lead: what can be written is the user's, the rest is root's.
FileEntry Machine::completed(FileEntry entry) {
  const bool ours = canBeMade(entry.path) || std::any_of(kept_.begin(), kept_.end(), [&](const std::string& directory) {
                      return isBelow(entry.path, directory);
                    });
  entry.owner = entry.group = ours ? "sandbox" : "root";
  if (entry.type == EntryType::symlink) {
    const auto target = sandbox_->runCommand(nothrow, CommandLine({"/bin/readlink", "-n", "--", entry.path}));
    if (target) entry.linkTarget = target->stdout_;
  }
  return entry;
}

FileEntry Machine::stat(const std::string& path, bool follow) {
  return completed(take(sandbox_->filesystem().stat(nothrow, path, follow)));
}

bool Machine::exists(const std::string& path) { return take(sandbox_->filesystem().exists(nothrow, path)); }

std::vector<FileEntry> Machine::list(const std::string& path) {
  std::vector<FileEntry> entries = take(sandbox_->filesystem().readdir(nothrow, path));
  for (FileEntry& entry : entries) entry = completed(std::move(entry));
  return entries;
}

void Machine::makeDirectory(const std::string& path) { take(sandbox_->filesystem().mkdir(nothrow, path)); }

void Machine::move(const std::string& from, const std::string& to) {
  const auto moved = sandbox_->filesystem().rename(nothrow, from, to);
  if (moved) return;
  // The writable folders are file systems of their own; between them mv copies.
  const auto copied = sandbox_->runCommand(nothrow, CommandLine({"/bin/mv", "-fT", "--", from, to}));
  if (!copied || copied->exitCode != 0) raise(moved.error());
}

void Machine::remove(const std::string& path) { take(sandbox_->filesystem().remove(nothrow, path)); }

void Machine::chmod(const std::string& path, std::uint32_t mode) {
  char octal[16];
  std::snprintf(octal, sizeof octal, "%o", mode & 07777U);
  const auto done = take(sandbox_->runCommand(nothrow, CommandLine({"/bin/chmod", octal, "--", path})));
  if (done.exitCode != 0) throw MachineError(MachineError::Kind::denied, done.stderr_);
}

void Machine::read(const std::string& path, const ByteSink& sink) {
  take(sandbox_->filesystem().download(nothrow, path, sink));
}

std::string Machine::read(const std::string& path, std::int64_t offset, std::int64_t length) {
  ReadOptions options;
  options.offset = offset;
  options.length = length;
  return take(sandbox_->filesystem().readFile(nothrow, path, options));
}

void Machine::write(const std::string& path, const ByteSource& source, std::uint32_t mode) {
  TransferOptions options;
  options.mode = mode;
  take(sandbox_->filesystem().upload(nothrow, source, path, options));
}

void Machine::write(const std::string& path, std::string_view content, std::uint32_t mode) {
  WriteOptions options;
  options.mode = mode;
  take(sandbox_->filesystem().writeFile(nothrow, path, content, options));
}

int Machine::dial(std::uint16_t port) {
  // The forwarder answers whether or not anybody listens inside, and hangs up at once if not: so that is asked first.
  char wanted[8];
  std::snprintf(wanted, sizeof wanted, ":%04X", port);
  if (run(std::string("cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | grep -q '") + wanted + " .* 0A '").exitCode !=
      0) {
    throw MachineError(MachineError::Kind::notFound, "nobody listens on port " + std::to_string(port));
  }
  const std::string url = take(sandbox_->getUrl(nothrow, {.port = port}));
  std::uint16_t outside = 0;
  const std::size_t colon = url.rfind(':');
  std::from_chars(url.data() + colon + 1, url.data() + url.size(), outside);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(outside);
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || ::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    if (fd >= 0) ::close(fd);
    throw MachineError(MachineError::Kind::other, "port " + std::to_string(port) + " cannot be reached");
  }
  return fd;
}

std::optional<Clock::time_point> Machine::endsAt() const {
  const std::lock_guard lock(mutex_);
  return endsAt_;
}

}  // namespace computesdk::simulators
