// local_load_bench: many local sandboxes at once, what an idle one holds, and its files, each beside its baseline.
//
//   local_load_bench --n N         prints METRIC VALUE, a line a sample; nanoseconds unless it says otherwise
//     burst_100                    100 threads, each: create + /bin/true; from the start of all to the end of the last
//     sandbox_8  spawn_8           one of 8 threads' turns, on average: create + /bin/true + destroy; posix_spawn
//     idle_bytes                   bytes: (MemAvailable before - with 200 idle sandboxes) / 200
//     write_1k  read_1k            a file of 1 KB through Filesystem, one operation
//     plain_write_1k               the same to a tmpfs by system calls: create, write, rename, close
//     write_100m  plain_write_100m 100 MB through Filesystem; by write() to a tmpfs
//     read_100m  plain_read_100m   the same, read
//
// A failure anywhere ends it with exit code 1.
#include <computesdk/computesdk.hpp>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <latch>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "spawn.hpp"

namespace computesdk::bench {
namespace {

constexpr std::size_t kLarge = 100'000'000;
const std::vector<std::string> kTrue = {"/bin/true"};

long long nanosecondsSince(Clock::time_point begin) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - begin).count();
}

void print(const char* metric, long long value) { std::printf("%s %lld\n", metric, value); }

ComputeConfig localConfig() {
  ComputeConfig config;
  config.provider = "local";
  return config;
}

Sandbox started(Compute& compute) {
  Sandbox sandbox = compute.sandbox().create({.dieWithHost = true});
  if (sandbox.runCommand(kTrue).exitCode != 0) throw std::runtime_error("a measured command failed");
  return sandbox;
}

// Runs `work` on `count` threads that begin together. The time until the last has ended.
long long together(int count, const std::function<void()>& work) {
  std::latch ready(count + 1);
  std::atomic<bool> failed = false;
  std::vector<std::jthread> threads;
  for (int i = 0; i < count; ++i) {
    threads.emplace_back([&] {
      ready.arrive_and_wait();
      try {
        work();
      } catch (const std::exception& error) {
        std::fprintf(stderr, "local_load_bench: %s\n", error.what());
        failed = true;
      }
    });
  }
  ready.arrive_and_wait();
  const auto begin = Clock::now();
  threads.clear();
  const long long took = nanosecondsSince(begin);
  if (failed) throw std::runtime_error("not all of them worked");
  return took;
}

void burst(Compute& compute) {
  print("burst_100", together(100, [&] { started(compute); }));
}

void sideBySide(Compute& compute) {
  constexpr int kThreads = 8, kTurns = 25;
  print("sandbox_8", together(kThreads, [&] {
                       for (int i = 0; i < kTurns; ++i) started(compute).destroy();
                     }) / (kThreads * kTurns));
  print("spawn_8", together(kThreads, [] {
                     for (int i = 0; i < kTurns; ++i) {
                       if (spawnAndWait(kTrue).exitCode != 0) throw std::runtime_error("posix_spawn failed");
                     }
                   }) / (kThreads * kTurns));
}

long long availableBytes() {
  std::ifstream file("/proc/meminfo");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("MemAvailable:"))
      return std::strtoll(line.c_str() + sizeof "MemAvailable:", nullptr, 10) * 1024;
  }
  throw std::runtime_error("/proc/meminfo has no MemAvailable");
}

void idle(Compute& compute) {
  constexpr int kCount = 200;
  const Sandbox first = started(compute);  // the launcher is not an idle sandbox's
  const long long before = availableBytes();
  std::vector<Sandbox> living;
  for (int i = 0; i < kCount; ++i) living.push_back(started(compute));
  print("idle_bytes", (before - availableBytes()) / kCount);
}

void replacePlainly(const std::string& content) {
  static const std::string name = "/dev/shm/computesdk-bench-" + std::to_string(::getpid());
  static const std::string beside = name + ".new";
  const int fd = ::open(beside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  const bool done = fd >= 0 && ::write(fd, content.data(), content.size()) == static_cast<ssize_t>(content.size()) &&
                    ::rename(beside.c_str(), name.c_str()) == 0;
  ::close(fd);
  if (!done) throw std::runtime_error("a plain write failed");
}

void smallFiles(Sandbox& sandbox) {
  constexpr int kCount = 200;
  const std::string content(1024, 'x');
  Filesystem files = sandbox.filesystem();
  auto begin = Clock::now();
  for (int i = 0; i < kCount; ++i) files.writeFile("/tmp/small", content);
  print("write_1k", nanosecondsSince(begin) / kCount);
  begin = Clock::now();
  for (int i = 0; i < kCount; ++i) {
    if (files.readFile("/tmp/small").size() != content.size()) throw std::runtime_error("a file came back otherwise");
  }
  print("read_1k", nanosecondsSince(begin) / kCount);
  begin = Clock::now();
  for (int i = 0; i < kCount; ++i) replacePlainly(content);
  print("plain_write_1k", nanosecondsSince(begin) / kCount);
  ::unlink(("/dev/shm/computesdk-bench-" + std::to_string(::getpid())).c_str());
}

// A file of a tmpfs that nobody else sees.
class PlainFile {
 public:
  PlainFile() : fd_(::memfd_create("computesdk-bench", MFD_CLOEXEC)) {
    if (fd_ < 0) throw std::runtime_error("memfd_create failed");
  }
  ~PlainFile() { ::close(fd_); }
  PlainFile(const PlainFile&) = delete;
  PlainFile& operator=(const PlainFile&) = delete;

  void write(const std::string& content) const {
    for (std::size_t done = 0; done < content.size();) {
      const ssize_t n = ::pwrite(fd_, content.data() + done, content.size() - done, static_cast<off_t>(done));
      if (n <= 0) throw std::runtime_error("a plain write failed");
      done += static_cast<std::size_t>(n);
    }
  }
  [[nodiscard]] std::string read(std::size_t size) const {
    std::string content(size, '\0');
    for (std::size_t done = 0; done < size;) {
      const ssize_t n = ::pread(fd_, content.data() + done, size - done, static_cast<off_t>(done));
      if (n <= 0) throw std::runtime_error("a plain read failed");
      done += static_cast<std::size_t>(n);
    }
    return content;
  }

 private:
  int fd_;
};

void largeFiles(Sandbox& sandbox) {
  const std::string content(kLarge, 'x');
  Filesystem files = sandbox.filesystem();
  auto begin = Clock::now();
  files.writeFile("/tmp/large", content);
  print("write_100m", nanosecondsSince(begin));
  begin = Clock::now();
  std::size_t size = files.readFile("/tmp/large").size();
  print("read_100m", nanosecondsSince(begin));
  if (size != kLarge) throw std::runtime_error("a large file came back otherwise");
  files.remove("/tmp/large");
  const PlainFile plain;
  begin = Clock::now();
  plain.write(content);
  print("plain_write_100m", nanosecondsSince(begin));
  begin = Clock::now();
  size = plain.read(kLarge).size();
  print("plain_read_100m", nanosecondsSince(begin));
}

int run(int samples) {
  Compute compute(localConfig());
  Sandbox living = started(compute);
  for (int i = 0; i < samples; ++i) {
    burst(compute);
    sideBySide(compute);
    idle(compute);
    smallFiles(living);
    largeFiles(living);
  }
  return 0;
}

}  // namespace
}  // namespace computesdk::bench

int main(int argc, char** argv) {
  const int samples =
      argc == 3 && std::strcmp(argv[1], "--n") == 0 ? static_cast<int>(std::strtol(argv[2], nullptr, 10)) : 0;
  if (samples <= 0) {
    std::fprintf(stderr, "usage: local_load_bench --n N\n");
    return 2;
  }
  try {
    return computesdk::bench::run(samples);
  } catch (const computesdk::Error& error) {
    std::fprintf(stderr, "%s\n", computesdk::formatError(error.info()).c_str());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "local_load_bench: %s\n", error.what());
  }
  return 1;
}
