#pragma once

#include "server.hpp"

#include <functional>
#include <memory>
#include <string>
#include <vector>

// The main program that all simulators share.
namespace computesdk::simulators {

/// A vendor's service, on a server that outlives none of its requests: the server ends before the service does.
class Simulator {
 public:
  virtual ~Simulator() = default;
  Simulator() = default;
  Simulator(const Simulator&) = delete;
  Simulator& operator=(const Simulator&) = delete;

  /// Adds the vendor's routes. Called once.
  virtual void serve(Server& server) = 0;
  /// Ids of the sandboxes that are alive, paused ones too.
  virtual std::vector<std::string> sandboxes() = 0;
  /// Destroys everything that was made.
  virtual void reset() = 0;
};

/// A simulator with its server and the control routes, for use inside a test.
class RunningSimulator {
 public:
  explicit RunningSimulator(std::unique_ptr<Simulator> simulator, ServerOptions options = {});
  ~RunningSimulator();
  RunningSimulator(const RunningSimulator&) = delete;
  RunningSimulator& operator=(const RunningSimulator&) = delete;

  [[nodiscard]] Server& server() noexcept { return *server_; }
  [[nodiscard]] std::string url() const { return server_->url(); }

 private:
  std::unique_ptr<Simulator> simulator_;
  std::unique_ptr<Server> server_;
};

/// simulator_NAME [--port N] [--fault-file FILE]… [--certificate FILE --key FILE]
/// Prints "listening on URL" as one line on stdout and serves until SIGTERM, SIGINT or the end of stdin. Returns the
/// exit code: 0, 1 when it cannot serve, 2 for wrong arguments.
int runSimulator(int argc, char** argv, const std::function<std::unique_ptr<Simulator>()>& make);

}  // namespace computesdk::simulators
