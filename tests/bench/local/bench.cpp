// local_bench: what the local provider costs beside posix_spawn and other sandboxes, in one run.
//
//   local_bench --n N              prints METRIC NANOSECONDS, a line a sample:
//     exec_true  exec_echo         a command in a living sandbox
//     cold_true  cold_echo         create + first command, launcher up
//     warm_true  warm_echo         the same, the sandbox from a pool of pre-made ones
//     first_true                   create + first command of a process that has no launcher yet
//   with --baselines also
//     spawn_true spawn_echo        posix_spawn of the same command
//     bwrap_true                   bubblewrap with a private root, whole process
//     run_true                     computesdk run -- /bin/true, whole process
//   with --peers also NAME_true for crun, runc, podman, docker, nsjail, firejail where they are installed and work
//
// The samples of all metrics are taken in turn, so that a machine that slows down slows them all.
#include <computesdk/computesdk.hpp>

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "peers.hpp"
#include "spawn.hpp"

namespace computesdk::bench {
namespace {

struct Arguments {
  int n = 100;
  bool baselines = false;
  bool peers = false;
  bool first = false;  // the child of first_true
};

Arguments parse(int argc, char** argv) {
  Arguments arguments;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--n") == 0 && i + 1 < argc) {
      arguments.n = static_cast<int>(std::strtol(argv[++i], nullptr, 10));
    } else if (std::strcmp(argv[i], "--baselines") == 0) {
      arguments.baselines = true;
    } else if (std::strcmp(argv[i], "--peers") == 0) {
      arguments.peers = true;
    } else if (std::strcmp(argv[i], "--first") == 0) {
      arguments.first = true;
    } else {
      std::fprintf(stderr, "usage: local_bench --n N [--baselines] [--peers]\n");
      std::exit(2);
    }
  }
  if (arguments.n <= 0) {
    std::fprintf(stderr, "local_bench: --n wants a positive number\n");
    std::exit(2);
  }
  return arguments;
}

const std::vector<std::string> kTrue = {"/bin/true"};
const std::vector<std::string> kEcho = {"/bin/echo", "hello"};

ComputeConfig localConfig(OptionMap options = {}) {
  ComputeConfig config;
  config.provider = "local";
  config.options = std::move(options);
  return config;
}

void mustSucceed(const CommandResult& result) {
  if (result.exitCode != 0) throw std::runtime_error("a measured command failed: " + result.stderr_);
}

long long nanoseconds(Clock::time_point begin, Clock::time_point end) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(end - begin).count();
}

long long time(const std::function<void()>& work) {
  const auto begin = Clock::now();
  work();
  return nanoseconds(begin, Clock::now());
}

// From the wish for a sandbox to the first command's end; the sandbox's own end is not part of it.
long long timeToInteractive(Compute& compute, const std::vector<std::string>& command) {
  const auto begin = Clock::now();
  Sandbox sandbox = compute.sandbox().create({.dieWithHost = true});
  mustSucceed(sandbox.runCommand(command));
  return nanoseconds(begin, Clock::now());
}

int runFirst() {
  Compute compute(localConfig());
  std::printf("%lld\n", timeToInteractive(compute, kTrue));
  return 0;
}

std::string selfPath() {
  char path[4096];
  const ssize_t size = ::readlink("/proc/self/exe", path, sizeof path);
  return size > 0 ? std::string(path, static_cast<std::size_t>(size)) : std::string();
}

// Of the user: where launchers are found and programs are looked for.
std::vector<std::string> passedEnvironment() {
  std::vector<std::string> passed;
  for (const char* name : {"PATH", "HOME", "XDG_RUNTIME_DIR", "XDG_STATE_HOME", "XDG_CACHE_HOME"}) {
    if (const char* value = std::getenv(name)) passed.push_back(std::string(name) + "=" + value);
  }
  return passed;
}

struct Metric {
  std::string name;
  std::function<long long()> sample;
};

std::vector<Metric> metrics(const Arguments& arguments, Compute& cold, Compute& warm, Sandbox& living) {
  const std::string self = selfPath();
  const auto environment = passedEnvironment();
  std::vector<Metric> result = {
      {"exec_true", [&] { return time([&] { mustSucceed(living.runCommand(kTrue)); }); }},
      {"exec_echo", [&] { return time([&] { mustSucceed(living.runCommand(kEcho)); }); }},
      {"cold_true", [&] { return timeToInteractive(cold, kTrue); }},
      {"cold_echo", [&] { return timeToInteractive(cold, kEcho); }},
      {"warm_true", [&] { return timeToInteractive(warm, kTrue); }},
      {"warm_echo", [&] { return timeToInteractive(warm, kEcho); }},
      {"first_true",
       [self, environment] {
         return std::strtoll(spawnAndWait({self, "--first", "--n", "1"}, environment).output.c_str(), nullptr, 10);
       }},
  };
  if (arguments.baselines) {
    const auto whole = [environment](const std::vector<std::string>& argv) {
      return time([&] {
        if (spawnAndWait(argv, environment).exitCode != 0) throw std::runtime_error(argv[0] + " failed");
      });
    };
    result.push_back({"spawn_true", [] { return time([] { spawnAndWait(kTrue); }); }});
    result.push_back({"spawn_echo", [] { return time([] { spawnAndWait(kEcho); }); }});
    if (!findProgram("bwrap").empty()) result.push_back({"bwrap_true", [whole] { return whole(bubblewrap(kTrue)); }});
    const std::string cli = self.substr(0, self.rfind('/')) + "/computesdk";
    result.push_back({"run_true", [whole, cli] {
                        return whole({cli, "run", "--provider", "local", "--", "/bin/true"});
                      }});
  }
  if (arguments.peers) {
    for (const Peer& peer : usablePeers()) {
      result.push_back(
          {peer.name + "_true", [peer, environment] { return time([&] { spawnAndWait(peer.argv, environment); }); }});
    }
  }
  return result;
}

int run(const Arguments& arguments) {
  Compute cold(localConfig());
  Compute warm(localConfig({{"pool", std::int64_t{8}}}));
  Sandbox living = cold.sandbox().create({.dieWithHost = true});
  mustSucceed(living.runCommand(kTrue));
  const Sandbox poolStarter = warm.sandbox().create({.dieWithHost = true});
  const auto all = metrics(arguments, cold, warm, living);
  for (const Metric& metric : all) metric.sample();  // warm-up, not printed
  for (int i = 0; i < arguments.n; ++i) {
    for (const Metric& metric : all) std::printf("%s %lld\n", metric.name.c_str(), metric.sample());
  }
  return 0;
}

}  // namespace
}  // namespace computesdk::bench

int main(int argc, char** argv) {
  using namespace computesdk::bench;
  const Arguments arguments = parse(argc, argv);
  try {
    return arguments.first ? runFirst() : run(arguments);
  } catch (const computesdk::Error& error) {
    std::fprintf(stderr, "%s\n", computesdk::formatError(error.info()).c_str());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "local_bench: %s\n", error.what());
  }
  return 1;
}
