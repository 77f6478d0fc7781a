// gateway_bench: the real gateway over sandboxes of provider `local`, with the real daemon in them.
//
//   gateway_bench --n N [PART...]     prints METRIC VALUE, a line a sample; nanoseconds unless it says otherwise.
//                                     Parts, all of them when none is named:
//     rates       health, beast       a request of /health on 16 connections, which is the inverse of their rate; the
//                                     same of a bare Beast server. With _p50 and _p99: how long one takes
//                 run, exec           POST run/command of `true` on 16 connections over 4 sandboxes; the same command
//                                     by the C++ runtime on 16 threads
//                 one_run, one_exec   the same on one connection and one thread
//     idle        base_rss, idle_rss  bytes: the gateway's resident memory before and with 8,000 idle WebSockets
//                 idle_pss            bytes: the same, what is shared counted by its share
//                 echo_p50, echo_p99  a character of a terminal there and back; with _idle: while they idle
//                 one_health_p50      /health on one connection; with _idle: while they idle
//     terminals   terminals_missing   lines of 500 terminals that did not arrive
//                 terminals_messages, terminals_bytes   a second
//                 terminals_silence   the longest time that one of them, which print ten lines a second, said nothing
//                 terminals_rss       bytes: the gateway's resident memory at their end
//     slow        alone_p99, beside_slow_p99   a request on 8 connections, without and beside clients that do not read
//                 slow_growth         bytes: the gateway's peak beside them minus its memory before
//     file        upload, download    1 GiB through the gateway to a port of a sandbox; direct_: to the port itself
//                 file_growth         bytes: the gateway's peak meanwhile minus its memory before
//
//   gateway_bench --smoke             the same with tiny numbers; memory is checked against its limits
//
// A failure anywhere ends it with exit code 1: a wrong answer, a WebSocket that closes, a line that is lost.
#include <computesdk/error.hpp>

#include <sys/resource.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <set>

#include "world.hpp"

namespace computesdk::bench {
namespace {

constexpr long long kMegabyte = 1'000'000;

struct Part {
  const char* name;
  void (*measure)(World& world, Report& report, const Sizes& sizes);
};
constexpr Part kParts[] = {{"rates", measureRates},
                           {"idle", measureIdle},
                           {"terminals", measureTerminals},
                           {"slow", measureSlow},
                           {"file", measureFile}};

Sizes smokeSizes() {
  Sizes sizes;
  sizes.turn = std::chrono::milliseconds(200);
  sizes.sandboxes = 2;
  sizes.sockets = 200;
  sizes.terminals = 8;
  sizes.lines = 10;
  sizes.fileBytes = 64u << 20;
  return sizes;
}

/// Each WebSocket takes a descriptor here and two in the gateway, which has the same limit, and so has the launcher.
void raiseLimit(const Sizes& sizes) {
  const rlim_t needed = 2 * sizes.sockets + 512;
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) throw Problem("the limit of descriptors cannot be read");
  if (limit.rlim_max < needed) {
    throw Problem("the hard limit of descriptors is " + std::to_string(limit.rlim_max) + ", and " +
                  std::to_string(needed) + " are needed: raise it (ulimit -Hn, LimitNOFILE=)");
  }
  limit.rlim_cur = limit.rlim_max;
  (void)::setrlimit(RLIMIT_NOFILE, &limit);
}

void measureParts(const Sizes& sizes, const std::set<std::string>& wanted, bool check) {
  raiseLimit(sizes);
  const Scratch scratch;
  World world(scratch);
  Report report;
  for (const Part& part : kParts) {
    if (!wanted.empty() && !wanted.contains(part.name)) continue;
    std::fprintf(stderr, "gateway_bench: %s\n", part.name);
    part.measure(world, report, sizes);
  }
  if (!check) return;
  report.require("idle_rss", 100 * kMegabyte);
  report.require("terminals_missing", 0);
  report.require("slow_growth", 32 * kMegabyte);
  report.require("file_growth", 16 * kMegabyte);
}

}  // namespace
}  // namespace computesdk::bench

int main(int argc, char** argv) {
  using computesdk::bench::Sizes;
  const bool smoke = argc == 2 && std::strcmp(argv[1], "--smoke") == 0;
  const int rounds =
      argc >= 3 && std::strcmp(argv[1], "--n") == 0 ? static_cast<int>(std::strtol(argv[2], nullptr, 10)) : 0;
  if (!smoke && rounds <= 0) {
    std::fprintf(stderr, "usage: gateway_bench --n N [PART...] | --smoke\n");
    return 2;
  }
  try {
    Sizes sizes = smoke ? computesdk::bench::smokeSizes() : Sizes();
    if (!smoke) sizes.rounds = rounds;
    computesdk::bench::measureParts(sizes, std::set<std::string>(argv + (smoke ? 2 : 3), argv + argc), smoke);
    return 0;
  } catch (const computesdk::Error& error) {
    std::fprintf(stderr, "%s\n", computesdk::formatError(error.info()).c_str());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "gateway_bench: %s\n", error.what());
  }
  return 1;
}
