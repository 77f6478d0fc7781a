#include "fakes.hpp"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <thread>

namespace computesdk::test {

using registry::CallContext;
using registry::InputSource;
using registry::OutputFunction;
using registry::SandboxRecord;
using registry::Target;

namespace {

/// The whole of a request's input, waited for.
std::string drain(const registry::ExecRequest& request) {
  std::string text(reinterpret_cast<const char*>(request.input.data()), request.input.size());
  if (request.source == nullptr) return text;
  std::array<std::byte, 8192> buffer;
  for (;;) {
    std::size_t size = 0;
    switch (request.source->read(buffer, size)) {
      case InputSource::State::data: text.append(reinterpret_cast<const char*>(buffer.data()), size); break;
      case InputSource::State::end: return text;
      case InputSource::State::again: {
        std::mutex mutex;
        std::condition_variable ready;
        bool is = false;
        request.source->onReadable([&] {
          std::lock_guard lock(mutex);
          is = true;
          ready.notify_all();
        });
        std::unique_lock lock(mutex);
        ready.wait(lock, [&] { return is; });
      }
    }
  }
}

struct Pipe {
  int ends[2] = {-1, -1};
  Pipe() { (void)!::pipe2(ends, O_CLOEXEC); }
  ~Pipe() {
    close(0);
    close(1);
  }
  void close(int end) {
    if (ends[end] >= 0) ::close(ends[end]);
    ends[end] = -1;
  }
};

/// Runs a process of this machine. Its input is given by a thread, its output read here.
Result<ExitStatus> runProcess(const registry::ExecRequest& request, const OutputFunction& output) {
  std::vector<std::string> words(request.argv.begin(), request.argv.end());
  if (words.empty()) words = {"/bin/sh", "-c", std::string(request.command)};
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  Pipe in;
  Pipe out;
  Pipe err;
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, in.ends[0], 0);
  ::posix_spawn_file_actions_adddup2(&actions, out.ends[1], 1);
  ::posix_spawn_file_actions_adddup2(&actions, err.ends[1], 2);
  const std::string folder(request.cwd.empty() ? "/" : request.cwd);
  ::posix_spawn_file_actions_addchdir_np(&actions, folder.c_str());
  std::vector<std::string> variables = {"PATH=/usr/bin:/bin", "LC_ALL=C"};
  if (request.env != nullptr) {
    for (const auto& [key, value] : *request.env) variables.push_back(key + "=" + value);
  }
  std::vector<char*> env;
  for (std::string& variable : variables) env.push_back(variable.data());
  env.push_back(nullptr);
  pid_t pid = 0;
  const int error = ::posix_spawnp(&pid, argv[0], &actions, nullptr, argv.data(), env.data());
  ::posix_spawn_file_actions_destroy(&actions);
  ExitStatus status;
  status.kind = ExitStatus::Kind::code;
  if (error != 0) {
    status.value = error == ENOENT ? 127 : 126;
    return status;
  }
  in.close(0);
  out.close(1);
  err.close(1);
  std::thread writer([&request, &in] {
    const std::string text = drain(request);
    for (std::size_t at = 0; at < text.size();) {
      const ssize_t put = ::write(in.ends[1], text.data() + at, text.size() - at);
      if (put <= 0) break;
      at += static_cast<std::size_t>(put);
    }
    in.close(1);
  });
  std::array<pollfd, 2> polls = {pollfd{out.ends[0], POLLIN, 0}, pollfd{err.ends[0], POLLIN, 0}};
  std::array<std::byte, 8192> buffer;
  while (polls[0].fd >= 0 || polls[1].fd >= 0) {
    if (::poll(polls.data(), polls.size(), -1) < 0) continue;
    for (std::size_t i = 0; i < 2; ++i) {
      if (polls[i].fd < 0 || polls[i].revents == 0) continue;
      const ssize_t got = ::read(polls[i].fd, buffer.data(), buffer.size());
      if (got <= 0) {
        polls[i].fd = -1;
      } else {
        output(i == 0 ? OutputStream::standardOutput : OutputStream::standardError,
               std::span(buffer).first(static_cast<std::size_t>(got)));
      }
    }
  }
  writer.join();
  int state = 0;
  while (::waitpid(pid, &state, 0) < 0 && errno == EINTR) {
  }
  if (WIFSIGNALED(state)) {
    status.kind = ExitStatus::Kind::signal;
    status.value = WTERMSIG(state);
  } else {
    status.value = WEXITSTATUS(state);
  }
  return status;
}

}  // namespace

FakeProvider::FakeProvider(std::string name) {
  static const bool ignored = ::signal(SIGPIPE, SIG_IGN) != SIG_ERR;
  (void)ignored;
  manifest_.name = std::move(name);
  has.list = has.inspect = has.attach = has.destroy = has.url = has.exec = true;
}

std::vector<std::string> FakeProvider::calls() const {
  std::lock_guard lock(mutex_);
  return calls_;
}

std::size_t FakeProvider::count(std::string_view prefix) const {
  std::lock_guard lock(mutex_);
  return static_cast<std::size_t>(
      std::ranges::count_if(calls_, [&](const std::string& call) { return call.starts_with(prefix); }));
}

std::map<std::string, FakeProvider::Box> FakeProvider::boxes() const {
  std::lock_guard lock(mutex_);
  return boxes_;
}

void FakeProvider::put(Box box) {
  std::lock_guard lock(mutex_);
  const std::string id = box.record.info.id;
  boxes_[id] = std::move(box);
}

void FakeProvider::stop(const std::string& id) {
  std::lock_guard lock(mutex_);
  boxes_.at(id).stopped = true;
}

std::optional<ErrorInfo> FakeProvider::begin(std::string_view operation, std::string_view detail,
                                             const CallContext& context) {
  {
    std::lock_guard lock(mutex_);
    calls_.push_back(std::string(operation) + (detail.empty() ? "" : " ") + std::string(detail));
  }
  if (context.stop.stop_requested()) return failure(ErrorCode::cancelled, "stopped");
  return fail ? fail(operation, context) : std::nullopt;
}

Result<FakeProvider::Box> FakeProvider::boxOf(const Target& target) {
  std::lock_guard lock(mutex_);
  auto found = boxes_.find(target.id);
  if (found == boxes_.end()) return failure(ErrorCode::notFound, "no such sandbox");
  if (found->second.stopped) return failure(ErrorCode::sandboxStopped, "it is stopped");
  return found->second;
}

Result<SandboxRecord> FakeProvider::create(const registry::CreateRequest& request, const CallContext& context) {
  if (auto error = begin("create", request.name, context)) return *error;
  if (onCreate) onCreate(request, context);
  std::lock_guard lock(mutex_);
  Box box;
  box.record.info.id = name() + "_" + std::to_string(++number_);
  box.record.info.provider = name();
  box.record.info.status = SandboxStatus::running;
  box.record.info.metadata = request.metadata;
  box.record.token = "token-" + std::to_string(number_);
  return (boxes_[box.record.info.id] = box).record;
}

Result<SandboxRecord> FakeProvider::inspect(const Target& target, const CallContext& context) {
  if (auto error = begin("inspect", target.id, context)) return *error;
  std::lock_guard lock(mutex_);
  auto found = boxes_.find(target.id);
  if (found == boxes_.end()) return failure(ErrorCode::notFound, "no such sandbox");
  return found->second.record;
}

Result<SandboxRecord> FakeProvider::attach(const Target& target, const CallContext& context) {
  if (auto error = begin("attach", target.id, context)) return *error;
  std::lock_guard lock(mutex_);
  Box& box = boxes_.at(target.id);
  box.stopped = false;
  box.record.token = "attached";
  return box.record;
}

Result<void> FakeProvider::list(std::int64_t, const StringMap&, const std::function<bool(SandboxRecord)>& each,
                                const CallContext& context) {
  if (auto error = begin("list", "", context)) return *error;
  for (const auto& [id, box] : boxes()) {
    if (!each(box.record)) break;
  }
  return {};
}

Result<void> FakeProvider::destroy(const Target& target, const CallContext& context) {
  if (auto error = begin("destroy", target.id, context)) return *error;
  std::lock_guard lock(mutex_);
  boxes_.erase(target.id);
  return {};
}

Result<void> FakeProvider::release(const Target& target, const CallContext& context) {
  if (auto error = begin("release", target.id, context)) return *error;
  return {};
}

Result<PortUrl> FakeProvider::url(const Target& target, std::uint16_t port, std::string_view protocol,
                                  const CallContext& context) {
  if (auto error = begin("url", target.id, context)) return *error;
  return PortUrl{std::string(protocol.empty() ? "http" : protocol) + "://x:" + std::to_string(port), {}, {}};
}

Result<ExitStatus> FakeProvider::exec(const Target& target, const registry::ExecRequest& request,
                                      const OutputFunction& output, const CallContext& context) {
  if (auto error = begin("exec", request.argv.empty() ? request.command : std::string_view(request.argv[0]), context)) {
    return *error;
  }
  auto box = boxOf(target);
  if (!box) return std::move(box).error();
  if (onExec) return onExec(target, request, output, context);
  return runProcess(request, output);
}

// The file slots are there to be seen called; their files are entries of the environment of the test.
Result<void> FakeProvider::fsRead(const Target&, std::string_view path, std::int64_t, std::int64_t,
                                  const OutputFunction& output, const CallContext& context) {
  if (auto error = begin("fsRead", path, context)) return *error;
  const std::string text = "native";
  output(OutputStream::data, std::as_bytes(std::span(text)));
  return {};
}
Result<void> FakeProvider::fsWrite(const Target&, const registry::FileWrite& write, const CallContext& context) {
  if (auto error = begin("fsWrite", write.path, context)) return *error;
  return {};
}
Result<std::vector<FileEntry>> FakeProvider::fsList(const Target&, std::string_view path, const CallContext& context) {
  if (auto error = begin("fsList", path, context)) return *error;
  return std::vector<FileEntry>(1);
}
Result<FileEntry> FakeProvider::fsStat(const Target&, std::string_view path, bool, const CallContext& context) {
  if (auto error = begin("fsStat", path, context)) return *error;
  FileEntry entry;
  entry.size = 6;
  return entry;
}
Result<void> FakeProvider::fsMkdir(const Target&, std::string_view path, bool, std::uint32_t,
                                   const CallContext& context) {
  if (auto error = begin("fsMkdir", path, context)) return *error;
  return {};
}
Result<void> FakeProvider::fsRemove(const Target&, std::string_view path, bool, const CallContext& context) {
  if (auto error = begin("fsRemove", path, context)) return *error;
  return {};
}
Result<void> FakeProvider::fsRename(const Target&, std::string_view path, std::string_view,
                                    const CallContext& context) {
  if (auto error = begin("fsRename", path, context)) return *error;
  return {};
}

// A process echoes its input when that ends, and ends then or by a signal.
Result<ProcessInfo> FakeProvider::processStart(const Target&, const registry::ProcessStart& start,
                                               const CallContext& context) {
  if (auto error = begin("processStart", start.pty ? "pty" : "", context)) return *error;
  std::lock_guard lock(mutex_);
  ProcessInfo info;
  info.id = "p" + std::to_string(++number_);
  inputs_[info.id];
  return info;
}
Result<std::vector<ProcessInfo>> FakeProvider::processList(const Target&, const CallContext& context) {
  if (auto error = begin("processList", "", context)) return *error;
  std::lock_guard lock(mutex_);
  std::vector<ProcessInfo> all;
  for (const auto& [id, input] : inputs_) {
    all.emplace_back();
    all.back().id = id;
  }
  return all;
}
Result<ExitStatus> FakeProvider::processAttach(const Target& target, std::string_view id,
                                               const registry::ProcessAttach&, const OutputFunction& output,
                                               const CallContext& context) {
  if (auto error = begin("processAttach", id, context)) return *error;
  auto status = processWait(target, id, context);
  if (!status) return status;
  std::string text;
  {
    std::lock_guard lock(mutex_);
    text = inputs_[std::string(id)];
  }
  output(OutputStream::standardOutput, std::as_bytes(std::span(text)));
  return status;
}
Result<ExitStatus> FakeProvider::processWait(const Target&, std::string_view id, const CallContext& context) {
  const std::string key(id);
  std::unique_lock lock(mutex_);
  if (!inputs_.contains(key)) return failure(ErrorCode::notFound, "no such process");
  if (!changed_.wait(lock, context.stop, [&] { return closed_.contains(key) || signals_.contains(key); })) {
    return failure(ErrorCode::cancelled, "stopped");
  }
  ExitStatus status;
  status.kind = signals_.contains(key) ? ExitStatus::Kind::signal : ExitStatus::Kind::code;
  status.value = signals_.contains(key) ? signals_[key] : 0;
  return status;
}
Result<void> FakeProvider::processWrite(const Target&, std::string_view id, std::span<const std::byte> bytes, bool eof,
                                        const CallContext& context) {
  if (auto error = begin("processWrite", id, context)) return *error;
  std::lock_guard lock(mutex_);
  inputs_[std::string(id)].append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (eof) closed_.insert(std::string(id));
  changed_.notify_all();
  return {};
}
Result<void> FakeProvider::processSignal(const Target&, std::string_view id, int signal, bool,
                                         const CallContext& context) {
  if (auto error = begin("processSignal", id, context)) return *error;
  std::lock_guard lock(mutex_);
  signals_[std::string(id)] = signal;
  changed_.notify_all();
  return {};
}
Result<void> FakeProvider::processResize(const Target&, std::string_view id, std::uint32_t, std::uint32_t,
                                         const CallContext& context) {
  if (auto error = begin("processResize", id, context)) return *error;
  return {};
}
Result<void> FakeProvider::dial(const Target&, std::uint16_t, InputSource&, const OutputFunction&,
                                const CallContext& context) {
  if (auto error = begin("dial", "", context)) return *error;
  return {};
}

Result<SandboxRecord> FakeProvider::extend(const Target& target, std::chrono::milliseconds,
                                           const CallContext& context) {
  if (auto error = begin("extend", target.id, context)) return *error;
  auto box = boxOf(target);
  if (!box) return std::move(box).error();
  return box->record;
}
Result<SandboxRecord> FakeProvider::pause(const Target& target, const CallContext& context) {
  if (auto error = begin("pause", target.id, context)) return *error;
  stop(target.id);
  return boxes().at(target.id).record;
}
Result<SandboxRecord> FakeProvider::resume(const Target& target, const CallContext& context) {
  return attach(target, context);
}
Result<SnapshotInfo> FakeProvider::snapshotCreate(const Target& target, std::string_view, const StringMap&,
                                                  const CallContext& context) {
  if (auto error = begin("snapshotCreate", target.id, context)) return *error;
  return SnapshotInfo{"snap_1", {}, target.id, {}, -1, {}};
}
Result<std::vector<SnapshotInfo>> FakeProvider::snapshotList(std::string_view, const CallContext& context) {
  if (auto error = begin("snapshotList", "", context)) return *error;
  return std::vector<SnapshotInfo>(2);
}
Result<void> FakeProvider::snapshotRemove(std::string_view id, const CallContext& context) {
  if (auto error = begin("snapshotRemove", id, context)) return *error;
  return {};
}
Result<std::vector<TemplateInfo>> FakeProvider::templateList(const CallContext& context) {
  if (auto error = begin("templateList", "", context)) return *error;
  return std::vector<TemplateInfo>(3);
}
Result<std::optional<SandboxRecord>> FakeProvider::namedFind(std::string_view, std::string_view theName,
                                                             const CallContext& context) {
  if (auto error = begin("namedFind", theName, context)) return *error;
  for (const auto& [id, box] : boxes()) {
    if (box.record.info.name == theName) return std::optional(box.record);
  }
  return std::optional<SandboxRecord>();
}
Result<SandboxRecord> FakeProvider::namedFindOrCreate(std::string_view nameSpace, std::string_view theName,
                                                      const registry::CreateRequest&, const CallContext& context) {
  auto found = namedFind(nameSpace, theName, context);
  if (!found || *found) return found ? Result<SandboxRecord>(**found) : found.error();
  Box box;
  box.record.info.id = "named_1";
  box.record.info.name = theName;
  put(box);
  return box.record;
}
Result<std::string> FakeProvider::vendorCall(const Target& target, std::string_view operation, std::string_view json,
                                             const CallContext& context) {
  if (auto error = begin("vendorCall", operation, context)) return *error;
  return "{\"of\":\"" + target.id + "\",\"in\":" + std::string(json.empty() ? "null" : json) + "}";
}

}  // namespace computesdk::test
