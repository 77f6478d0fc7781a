// Requests a second: of /health beside a bare Beast server, of a command beside direct exec.
#include "direct.hpp"
#include "world.hpp"

namespace computesdk::bench {
namespace {

constexpr std::size_t kConnections = 16;
constexpr std::size_t kBoxes = 4;

void printLoad(Report& report, const std::string& name, Load& load) {
  report.print(name, load.each());
  report.print(name + "_p50", load.quantile(0.5));
  report.print(name + "_p99", load.quantile(0.99));
}

}  // namespace

void measureRates(World& world, Report& report, const Sizes& sizes) {
  const ServerProgram bare("gateway_beast_baseline", {}, conformance::ownEnvironment());
  const std::vector<std::string> health(kConnections, requestText("GET", "/health"));
  const std::vector<Box> boxes = world.boxes(kBoxes);
  std::vector<std::string> commands;
  for (std::size_t i = 0; i < kConnections; ++i) {
    commands.push_back(boxes[i % kBoxes].request("POST", "/run/command", R"({"command":"true"})"));
  }
  const DirectSandboxes direct(kBoxes);
  std::vector<std::function<void()>> calls;
  for (std::size_t i = 0; i < kConnections; ++i) calls.emplace_back([&direct, i] { direct.run(i % kBoxes, "true"); });

  for (int round = 0; round < sizes.rounds; ++round) {
    Load load = askInTurn(world.port(), health, sizes.turn);
    printLoad(report, "health", load);
    load = askInTurn(bare.port(), health, sizes.turn);
    printLoad(report, "beast", load);
    load = askInTurn(world.port(), commands, sizes.turn);
    printLoad(report, "run", load);
    load = callInTurn(calls, sizes.turn);
    printLoad(report, "exec", load);
    load = askInTurn(world.port(), {commands[0]}, sizes.turn);
    printLoad(report, "one_run", load);
    load = callInTurn({calls[0]}, sizes.turn);
    printLoad(report, "one_exec", load);
  }
}

}  // namespace computesdk::bench
