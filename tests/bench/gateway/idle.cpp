// Thousands of WebSockets that say nothing: what the gateway holds for them, and how it answers meanwhile.
#include "terminal.hpp"

namespace computesdk::bench {
namespace {

constexpr std::chrono::seconds kOpenTime{300};
constexpr int kEchoes = 200;

/// How long a character of a terminal takes there and back, and a request, each one at a time.
void printLatency(World& world, Report& report, const Box& box, const std::string& name, int rounds) {
  EchoTerminal terminal(world, box);
  Caller caller(world.port());
  const std::string health = requestText("GET", "/health");
  Load echoes;
  Load requests;
  for (int i = 0; i < kEchoes * rounds; ++i) {
    echoes.latencies.push_back(terminal.echo());
    const auto since = Clock::now();
    if (caller.ask(health).status != 200) throw Problem("/health fails");
    requests.latencies.push_back(nanosecondsSince(since));
  }
  report.print("echo" + name + "_p50", echoes.quantile(0.5));
  report.print("echo" + name + "_p99", echoes.quantile(0.99));
  report.print("one_health" + name + "_p50", requests.quantile(0.5));
}

}  // namespace

void measureIdle(World& world, Report& report, const Sizes& sizes) {
  const std::vector<Box> boxes = world.boxes(sizes.sandboxes);
  printLatency(world, report, boxes[0], "", sizes.rounds);
  report.print("base_rss", world.gateway().resident());
  std::vector<std::string> paths;
  for (std::size_t i = 0; i < sizes.sockets; ++i) paths.push_back(boxes[i % boxes.size()].socketPath());
  Crowd crowd(world.port(), std::move(paths));
  crowd.waitOpen(kOpenTime);
  report.print("idle_rss", world.gateway().resident());
  report.print("idle_pss", world.gateway().proportional());
  printLatency(world, report, boxes[0], "_idle", sizes.rounds);
  // Those that came last may have been broken meanwhile.
  crowd.check();
}

}  // namespace computesdk::bench
