// start_bench: whole processes, from posix_spawn to their end, stdout to /dev/null.
//
//   start/hello     a C++ program that writes one line, linked as the command line tool is
//   start/version   computesdk version: what the tool costs before it does anything
//
// Run with --benchmark_enable_random_interleaving, so that both see the same machine.
#include <benchmark/benchmark.h>

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>

#include <cerrno>
#include <cstdlib>

namespace {

class Quiet {
 public:
  Quiet() {
    posix_spawn_file_actions_init(&actions_);
    posix_spawn_file_actions_addopen(&actions_, 1, "/dev/null", O_WRONLY, 0);
  }
  ~Quiet() { posix_spawn_file_actions_destroy(&actions_); }
  Quiet(const Quiet&) = delete;
  Quiet& operator=(const Quiet&) = delete;
  const posix_spawn_file_actions_t* get() const { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_{};
};

bool runOnce(char* const argv[], const Quiet& quiet) {
  char path[] = "PATH=/usr/bin:/bin";
  char* const environment[] = {path, nullptr};
  pid_t pid = 0;
  if (::posix_spawn(&pid, argv[0], quiet.get(), nullptr, argv, environment) != 0) return false;
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

void measure(benchmark::State& state, char* const argv[]) {
  const Quiet quiet;
  for (auto _ : state) {
    if (!runOnce(argv, quiet)) {
      state.SkipWithError("the program failed");
      break;
    }
  }
}

void hello(benchmark::State& state) {
  char program[] = HELLO_PROGRAM;
  char* const argv[] = {program, nullptr};
  measure(state, argv);
}
BENCHMARK(hello)->Name("start/hello")->Unit(benchmark::kMicrosecond)->UseRealTime();

void version(benchmark::State& state) {
  char program[] = COMPUTESDK_PROGRAM;
  char verb[] = "version";
  char* const argv[] = {program, verb, nullptr};
  measure(state, argv);
}
BENCHMARK(version)->Name("start/version")->Unit(benchmark::kMicrosecond)->UseRealTime();

}  // namespace
