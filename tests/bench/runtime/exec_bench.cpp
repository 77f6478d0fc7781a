// exec/runtime_inline, exec/runtime_pool: a null `exec` through Sandbox::runCommand, the plug-in on the caller's
// thread or on one of its pool.
#include <computesdk/computesdk.hpp>

#include <benchmark/benchmark.h>

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "scratch_folder.hpp"

namespace {

using namespace computesdk;

// By the command that a user would type. False: it failed.
bool trust(const std::string& manifest) {
  std::string words[] = {RUNTIME_BENCH_PROGRAM, "provider", "trust", "-q", manifest};
  char* argv[6] = {};
  for (std::size_t i = 0; i < std::size(words); ++i) argv[i] = words[i].data();
  posix_spawn_file_actions_t quiet;  // stdout is for the figures
  ::posix_spawn_file_actions_init(&quiet);
  ::posix_spawn_file_actions_addopen(&quiet, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  pid_t pid = 0;
  int status = 1;
  const int spawned = ::posix_spawn(&pid, argv[0], &quiet, nullptr, argv, environ);
  ::posix_spawn_file_actions_destroy(&quiet);
  return spawned == 0 && ::waitpid(pid, &status, 0) == pid && status == 0;
}

// A home in which the null plug-in is installed and trusted.
class Home {
 public:
  explicit Home(bool inlined) {
    ::setenv("HOME", path().c_str(), 1);
    ::unsetenv("XDG_CONFIG_HOME");
    ::unsetenv("XDG_STATE_HOME");
    std::filesystem::copy_file(RUNTIME_BENCH_PLUGIN, path() / "null.so");
    const std::filesystem::path manifest = path() / "null.provider.json";
    std::ofstream(manifest)
        << R"({"manifest_version":1,"name":"null","title":"Null","version":"1.0.0","library":"null.so",)"
        << R"("abi":{"major":1,"min_minor":0},"detect":{"always":true},"inline":)" << (inlined ? "true" : "false")
        << R"(,"capabilities":["create","destroy","exec"]})";
    trusted_ = trust(manifest);
  }
  [[nodiscard]] const std::filesystem::path& path() const noexcept { return folder_.path(); }
  [[nodiscard]] bool trusted() const noexcept { return trusted_; }

 private:
  bool trusted_ = false;
  bench::ScratchFolder folder_;
};

void exec(benchmark::State& state, bool inlined) {
  const Home home(inlined);
  if (!home.trusted()) return state.SkipWithError("the null plug-in could not be trusted");
  ComputeConfig config;
  config.provider = "null";
  config.providerPaths = {home.path()};
  Compute compute(config);
  Sandbox sandbox = compute.sandbox().create();
  if (sandbox.capabilities().placement != "in-process") return state.SkipWithError("the plug-in is not trusted");
  const CommandLine command({"true"});
  for (auto _ : state) benchmark::DoNotOptimize(sandbox.runCommand(nothrow, command));
}

BENCHMARK_CAPTURE(exec, inlined, true)->Name("exec/runtime_inline")->UseRealTime();
BENCHMARK_CAPTURE(exec, pooled, false)->Name("exec/runtime_pool")->UseRealTime();

}  // namespace
