#include "program.hpp"

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <exception>
#include <fstream>
#include <iterator>
#include <string_view>

#include "control.hpp"

namespace computesdk::simulators {
namespace {

struct Arguments {
  ServerOptions server;
  std::vector<std::string> faultFiles;
};

bool readArguments(int argc, char** argv, Arguments& arguments) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view name = argv[i];
    if (i + 1 == argc) return false;
    const std::string value = argv[++i];
    if (name == "--port") {
      const char* const end = value.data() + value.size();
      if (std::from_chars(value.data(), end, arguments.server.port).ptr != end) return false;
    } else if (name == "--fault-file") {
      arguments.faultFiles.push_back(value);
    } else if (name == "--certificate") {
      arguments.server.certificateFile = value;
    } else if (name == "--key") {
      arguments.server.keyFile = value;
    } else {
      return false;
    }
  }
  return true;
}

// Waits for a signal or the end of stdin.
void waitForEnd(int signals) {
  for (;;) {
    pollfd fds[2] = {{signals, POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}};
    if (::poll(fds, 2, -1) < 0 && errno != EINTR) return;
    if (fds[0].revents != 0) return;
    if (fds[1].revents == 0) continue;
    char ignored[256];
    const ssize_t got = ::read(STDIN_FILENO, ignored, sizeof ignored);
    if (got == 0 || (got < 0 && errno != EINTR && errno != EAGAIN)) return;
  }
}

bool addFaultFiles(Server& server, const std::vector<std::string>& files) {
  for (const std::string& file : files) {
    std::ifstream stream(file);
    const std::string text{std::istreambuf_iterator<char>(stream), {}};
    const std::string wrong = stream ? addFaults(server, text) : "it cannot be read";
    if (wrong.empty()) continue;
    std::fprintf(stderr, "%s: %s\n", file.c_str(), wrong.c_str());
    return false;
  }
  return true;
}

}  // namespace

RunningSimulator::RunningSimulator(std::unique_ptr<Simulator> simulator, ServerOptions options)
    : simulator_(std::move(simulator)), server_(std::make_unique<Server>(std::move(options))) {
  addControl(*server_,
             {.sandboxes = [this] { return simulator_->sandboxes(); }, .reset = [this] { simulator_->reset(); }});
  simulator_->serve(*server_);
}

RunningSimulator::~RunningSimulator() { server_.reset(); }

int runSimulator(int argc, char** argv, const std::function<std::unique_ptr<Simulator>()>& make) {
  Arguments arguments;
  if (!readArguments(argc, argv, arguments)) {
    std::fprintf(stderr, "usage: %s [--port N] [--fault-file FILE]... [--certificate FILE --key FILE]\n", argv[0]);
    return 2;
  }
  // Blocked before any thread is started, so that all of them inherit it.
  sigset_t ending;
  sigemptyset(&ending);
  sigaddset(&ending, SIGTERM);
  sigaddset(&ending, SIGINT);
  ::pthread_sigmask(SIG_BLOCK, &ending, nullptr);
  const int signals = ::signalfd(-1, &ending, SFD_CLOEXEC);
  try {
    RunningSimulator running(make(), arguments.server);
    if (!addFaultFiles(running.server(), arguments.faultFiles)) return 2;
    std::printf("listening on %s\n", running.url().c_str());
    std::fflush(stdout);
    waitForEnd(signals);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s: %s\n", argv[0], error.what());
    return 1;
  }
  ::close(signals);
  return 0;
}

}  // namespace computesdk::simulators
