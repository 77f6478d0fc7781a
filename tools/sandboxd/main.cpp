// computesdk-sandboxd: the daemon inside a sandbox.
#include <fcntl.h>
#include <malloc.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <string>
#include <vector>

#include "core/daemon.hpp"
#include "core/first_process.hpp"
#include "core/fork_server.hpp"
#include "core/options.hpp"
#include "core/process_tree.hpp"
#include "core/rooms.hpp"
#include "core/start.hpp"

extern char** environ;

namespace {

using namespace computesdk;
using namespace computesdk::sandboxd;

void print(int fd, std::string_view text) {
  while (!text.empty()) {
    const auto put = ::write(fd, text.data(), text.size());
    if (put <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(put));
  }
}

int fail(const ErrorInfo& info) {
  print(2, formatError(info) + "\n");
  return exitCode(info.code);
}

Environment ownEnvironment() {
  Environment out;
  for (char** each = environ; *each != nullptr; ++each) {
    const std::string_view text(*each);
    const auto equals = text.find('=');
    if (equals != std::string_view::npos && equals > 0) out.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return out;
}

/// Descriptors 0 to 2 are there, so that nothing else can get their numbers.
void openStandardStreams() {
  int fd = 0;
  while ((fd = ::open("/dev/null", O_RDWR)) >= 0 && fd <= 2) {
  }
  if (fd > 2) ::close(fd);
}

sigset_t blockSignals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGCHLD}) sigaddset(&set, number);
  ::sigprocmask(SIG_BLOCK, &set, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  return set;
}

std::vector<RoomBuilder> allRooms() {
  return {addAuthRoutes,    addCommandRoutes, addTerminalRoutes, addSocketRoutes, addFileRoutes,  addEnvRoutes,
          addWatcherRoutes, addOverlayRoutes, addServerRoutes,   addSignalRoutes, addChildRoutes, addInfoRoutes};
}

int serve(Config config, Environment environment) {
  const auto signals = blockSignals();
  Daemon daemon(std::move(config), std::move(environment));
  if (auto opened = daemon.open(allRooms()); !opened) return fail(opened.error());
  auto& shared = daemon.shared();
  shared.processes.adoptStrangers();
  if (shared.config.accessToken.empty()) {
    print(2, "warning: no access token: whoever reaches this daemon commands the sandbox\n");
  }
  const auto where = shared.config.listen.empty()
                         ? "unix:" + shared.config.unixSocket
                         : "http://" + shared.config.listen + ":" + std::to_string(daemon.port());
  print(1, "computesdk-sandboxd " + shared.config.version + " listening on " + where + "\n");
  applySetup(daemon.main());
  for (;;) {
    const int number = ::sigwaitinfo(&signals, nullptr);
    if (number == SIGCHLD) shared.processes.reap();
    if (number == SIGTERM || number == SIGINT) break;
  }
  daemon.stop();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  openStandardStreams();
  auto environment = ownEnvironment();
  auto options = readOptions({argv + 1, argv + argc}, environment);
  if (!options) return fail(options.error());
  if (options->help) return print(1, helpText()), 0;
  options->config.version = COMPUTESDK_VERSION;
  if (options->version) return print(1, "computesdk-sandboxd " COMPUTESDK_VERSION "\n"), 0;
  wipeSecrets(argc, argv);
  // What runs in the sandbox under the same user must not read the token from our memory.
  ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  if (!procIsMounted()) {
    ErrorInfo info;
    info.code = ErrorCode::config;
    info.what = "cannot watch over processes";
    info.why = "/proc is not mounted";
    info.fix = "mount -t proc proc /proc";
    return fail(info);
  }
  leaveFirstProcess();
  startForkServer();
  // Few arenas: an idle daemon in a small sandbox matters more than allocation from many threads at a time.
  ::mallopt(M_ARENA_MAX, 2);
  // Long outputs have pages of their own, which go back to the system with them.
  ::mallopt(M_MMAP_THRESHOLD, 256 * 1024);
  ::mallopt(M_TRIM_THRESHOLD, 512 * 1024);
  raiseDescriptorLimit();
  return serve(std::move(options->config), childEnvironment(std::move(environment)));
}
