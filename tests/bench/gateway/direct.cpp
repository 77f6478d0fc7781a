#include "direct.hpp"

#include "world.hpp"

#include <computesdk/computesdk.hpp>

namespace computesdk::bench {
namespace {

constexpr std::chrono::seconds kServerTime{60};

ComputeConfig directConfig() {
  ComputeConfig config;
  config.provider = "local";
  return config;
}

}  // namespace

struct DirectSandboxes::Parts {
  Compute compute{directConfig()};
  std::vector<Sandbox> sandboxes;
};

DirectSandboxes::DirectSandboxes(std::size_t count) : parts_(std::make_unique<Parts>()) {
  for (std::size_t i = 0; i < count; ++i) {
    parts_->sandboxes.push_back(parts_->compute.sandbox().create({.dieWithHost = true}));
    run(i, "true");
  }
}

DirectSandboxes::~DirectSandboxes() = default;

void DirectSandboxes::run(std::size_t which, const std::string& command) const {
  const CommandResult result = parts_->sandboxes[which].runCommand(command);
  if (result.exitCode != 0) throw Problem("a command by direct exec ended with " + std::to_string(result.exitCode));
}

std::uint16_t DirectSandboxes::portServer(std::size_t which) const {
  Sandbox& sandbox = parts_->sandboxes[which];
  sandbox.filesystem().writeFile("/tmp/port_server.py", kPortServer);
  run(which, kBeforePortServer);
  (void)sandbox.runCommand(kStartPortServer, RunOptions{.background = true});
  if (sandbox.runCommand(kAwaitPortServer, {.timeout = kServerTime}).exitCode != 0)
    throw Problem("the server in the direct sandbox does not start");
  const std::string url = sandbox.getUrl({.port = kServedPort});
  const auto port = static_cast<std::uint16_t>(std::stoi(url.substr(url.rfind(':') + 1)));
  Caller caller(port);
  if (caller.ask(requestText("GET", "/1")).status == 200) return port;
  throw Problem("the server in the direct sandbox does not answer");
}

}  // namespace computesdk::bench
