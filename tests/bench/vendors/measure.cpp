#include "measure.hpp"

#include "raw_client.hpp"

#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <cstdio>
#include <fstream>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <sstream>
#include <thread>

namespace computesdk::bench {
namespace {

using conformance::Problem;
using conformance::World;
using Clock = std::chrono::steady_clock;

constexpr int kTurns = 5;                                // of each operation that is counted
constexpr int kInARow = 1000;                            // execs one after the other
constexpr int kAtOnce = 200;                             // execs at the same time
constexpr auto kBenchLimit = std::chrono::seconds(120);  // for what takes seconds on an idle machine
const std::vector<std::string> kTrue = {"true"};

long long nanosecondsSince(Clock::time_point begin) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - begin).count();
}

// Threads and resident bytes of this process and of those that it began: plug-ins that run isolated. The simulator is
// not among them.
struct Usage {
  long long threads = 0;
  long long resident = 0;
};

struct Process {
  long long parent = 0;
  Usage usage;
};

// Small, and without a copy of the file: what is measured has thousands of processes beside it, and looking at them
// must not show in what is measured.
std::optional<Process> statusOf(const char* id) {
  const std::string path = std::string("/proc/") + id + "/status";
  std::FILE* file = std::fopen(path.c_str(), "re");
  if (file == nullptr) return {};
  Process out;
  char line[256];
  while (std::fgets(line, sizeof line, file) != nullptr) {
    const auto number = [&](std::string_view name, long long& into) {
      if (std::string_view(line).starts_with(name)) into = std::strtoll(line + name.size(), nullptr, 10);
    };
    number("PPid:", out.parent);
    number("Threads:", out.usage.threads);
    number("VmRSS:", out.usage.resident);
  }
  std::fclose(file);
  out.usage.resident *= 1024;
  return out;
}

Usage usage() {
  std::map<long long, Process> processes;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const std::string name = entry.path().filename();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    if (const auto process = statusOf(name.c_str())) processes[std::stoll(name)] = *process;
  }
  std::set<long long> ours = {::getpid()};
  for (std::size_t before = 0; before != ours.size();) {
    before = ours.size();
    for (const auto& [id, process] : processes) {
      if (ours.contains(process.parent)) ours.insert(id);
    }
  }
  Usage out;
  for (const long long id : ours) {
    out.threads += processes[id].usage.threads;
    out.resident += processes[id].usage.resident;
  }
  return out;
}

class Bench {
 public:
  Bench(World& world, std::string prefix) : world_(world), prefix_(std::move(prefix)) {}

  void operations();
  void firstCommand();
  void inARow();
  void overhead(int pairs);
  void overheadAlone(int pairs);
  void atOnce();

 private:
  void print(const std::string& metric, long long value) const {
    std::printf("%s/%s %lld\n", prefix_.c_str(), metric.c_str(), value);
  }
  [[nodiscard]] std::vector<SeenRequest> requestsOfAnExec(Sandbox& sandbox) const;
  void forget() const { (void)world_.simulator->control("DELETE", "/_sim/requests"); }
  [[nodiscard]] conformance::Value stats() const { return world_.simulator->control("GET", "/_sim/stats"); }
  /// Prints the requests that an operation takes, and its bytes on the wire: sent by us, and answered.
  void counted(const std::string& operation, const std::function<void()>& work) const;
  [[nodiscard]] Sandbox created(Compute& compute) const;
  static void exec(Sandbox& sandbox) {
    if (sandbox.runCommand(kTrue).exitCode != 0) throw Problem("a measured command failed");
  }

  World& world_;
  std::string prefix_;
};

Sandbox Bench::created(Compute& compute) const {
  CreateOptions options;
  if (const conformance::Value* value = world_.target.create.find("isolation_none"))
    options.isolationNone = value->asBool();
  if (const conformance::Value* value = world_.target.create.find("image")) options.image = value->asString();
  return compute.sandbox().create(options);
}

void Bench::counted(const std::string& operation, const std::function<void()>& work) const {
  forget();
  work();
  const conformance::Value seen = stats();
  print(operation + "_requests", seen.integer("requests"));
  print(operation + "_sent", seen.integer("bytes_in"));
  print(operation + "_received", seen.integer("bytes_out"));
}

void Bench::operations() {
  const std::string content(1024, 'x');
  for (int i = 0; i < kTurns; ++i) {
    std::optional<Sandbox> sandbox;
    counted("create", [&] { sandbox = created(world_.compute); });
    counted("exec", [&] { exec(*sandbox); });
    counted("write_1k", [&] { sandbox->filesystem().writeFile("/tmp/small", content); });
    counted("read_1k", [&] {
      if (sandbox->filesystem().readFile("/tmp/small") != content) throw Problem("a file came back otherwise");
    });
    counted("list", [&] { (void)world_.compute.sandbox().list(); });
    counted("url", [&] { (void)sandbox->getUrl({.port = 3000}); });
    counted("destroy", [&] { sandbox->destroy(); });
  }
}

void Bench::firstCommand() {
  Compute fresh(world_.config(false));
  forget();
  Sandbox sandbox = created(fresh);
  exec(sandbox);
  print("first_command", stats().integer("requests"));
  sandbox.destroy();
}

void Bench::inARow() {
  Sandbox sandbox = created(world_.compute);
  (void)world_.simulator->control("POST", "/_sim/drop");
  forget();
  for (int i = 0; i < kInARow; ++i) exec(sandbox);
  const conformance::Value seen = stats();
  print("in_a_row_connections", seen.integer("connections"));
  print("in_a_row_requests", seen.integer("requests"));
}

std::vector<SeenRequest> Bench::requestsOfAnExec(Sandbox& sandbox) const {
  forget();
  exec(sandbox);
  return seenRequests(world_.simulator->control("GET", "/_sim/requests"));
}

void Bench::overhead(int pairs) {
  Sandbox sandbox = created(world_.compute);
  exec(sandbox);
  const std::vector<SeenRequest> requests = requestsOfAnExec(sandbox);
  const std::vector<SeenRequest> again = requestsOfAnExec(sandbox);
  if (!std::ranges::equal(requests, again, {}, &SeenRequest::path, &SeenRequest::path))
    return;  // ids that are used once
  RawClient raw(world_.simulator->url());
  for (int i = 0; i < pairs; ++i) {
    auto begin = Clock::now();
    exec(sandbox);
    print("exec_program", nanosecondsSince(begin));
    begin = Clock::now();
    for (const SeenRequest& request : requests) (void)raw.exchange(request.text);
    print("exec_program_by_hand", nanosecondsSince(begin));
  }
}

// The pattern of a fault that hits both: what differs is an id.
std::string commonPath(const std::string& one, const std::string& other) {
  std::istringstream left(one);
  std::istringstream right(other);
  std::string out;
  std::string a;
  std::string b;
  while (std::getline(left, a, '/') && std::getline(right, b, '/')) out += (a == b ? a : "*") + "/";
  return out.substr(0, out.size() - 1);
}

void Bench::overheadAlone(int pairs) {
  Sandbox sandbox = created(world_.compute);
  exec(sandbox);
  const std::vector<SeenRequest> requests = requestsOfAnExec(sandbox);
  const std::vector<SeenRequest> again = requestsOfAnExec(sandbox);
  const bool repeatable = requests.size() == again.size() && std::ranges::none_of(requests, &SeenRequest::upgrades);
  if (!repeatable) {
    std::fprintf(stderr, "vendor_bench: %s: the answers to an exec cannot be prepared\n", prefix_.c_str());
    return;
  }
  RawClient raw(world_.simulator->url());
  conformance::Value prepared(conformance::Value::Array{});
  for (std::size_t i = 0; i < requests.size(); ++i) {
    const RawAnswer answer = raw.exchange(requests[i].text);
    conformance::Value fault;
    fault.set("method", requests[i].method).set("path", commonPath(requests[i].path, again[i].path));
    fault.set("status", answer.status).set("content_type", answer.contentType).set("body", answer.body);
    prepared.add(std::move(fault));
  }
  const auto prepare = [&] {
    (void)world_.simulator->control("DELETE", "/_sim/faults");
    (void)world_.simulator->control("POST", "/_sim/faults", prepared);
  };
  for (int i = 0; i < pairs; ++i) {
    prepare();
    auto begin = Clock::now();
    exec(sandbox);
    print("exec", nanosecondsSince(begin));
    prepare();
    begin = Clock::now();
    for (const SeenRequest& request : requests) (void)raw.exchange(request.text);
    print("exec_by_hand", nanosecondsSince(begin));
  }
  (void)world_.simulator->control("DELETE", "/_sim/faults");
}

void Bench::atOnce() {
  Sandbox sandbox = created(world_.compute);
  sandbox.runCommand("mkfifo /tmp/gate");
  std::mutex mutex;
  std::condition_variable changed;
  int up = 0;
  int failed = 0;
  std::string why;
  const auto work = [&] {
    // Says that it runs, and waits for a line of its own: all of them run at the same time, however slow the machine
    // is.
    bool said = false;
    RunOptions options;
    options.timeout = kBenchLimit;
    options.onStdout = [&](std::string_view) {
      const std::lock_guard lock(mutex);
      if (!std::exchange(said, true)) ++up;
      changed.notify_one();
    };
    const auto result = sandbox.runCommand(nothrow, "exec 3<>/tmp/gate; echo up; read line <&3", options);
    const std::lock_guard lock(mutex);
    if (result && result->exitCode == 0) return;
    ++failed;
    why =
        result ? "exit code " + std::to_string(result->exitCode) + ": " + result->stderr_ : formatError(result.error());
    changed.notify_one();
  };
  const Usage before = usage();
  std::vector<std::jthread> threads;
  for (int i = 0; i < kAtOnce; ++i) threads.emplace_back(work);
  {
    std::unique_lock lock(mutex);
    changed.wait_for(lock, kBenchLimit, [&] { return up + failed >= kAtOnce; });
  }
  const Usage during = usage();
  sandbox.runCommand("yes | head -n " + std::to_string(kAtOnce) + " >/tmp/gate");
  threads.clear();
  if (failed != 0) throw Problem(std::to_string(failed) + " of the execs at once failed, the last: " + why);
  if (up != kAtOnce) throw Problem("only " + std::to_string(up) + " execs ran at once");
  print("at_once_threads", during.threads);
  print("at_once_resident", (during.resident - before.resident) / kAtOnce);
}

}  // namespace

void measure(World& world, const std::string& prefix, int samples) {
  Bench bench(world, prefix);
  bench.firstCommand();
  bench.operations();
  bench.overhead(samples);
  bench.overheadAlone(samples);
  bench.inARow();
  bench.atOnce();
}

}  // namespace computesdk::bench
