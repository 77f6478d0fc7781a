// Clients that ask and do not read: the others must not notice, and the gateway must not fill its memory for them.
#include "terminal.hpp"

#include <sys/socket.h>

namespace computesdk::bench {
namespace {

constexpr std::size_t kDownloads = 4;
constexpr std::size_t kPipelined = 20'000;  // requests that one client sends ahead
constexpr std::size_t kOthers = 8;
constexpr int kSmallBuffer = 16 << 10;

/// Downloads, a terminal that floods, and requests sent ahead, with nobody who reads any of it.
class Deaf {
 public:
  Deaf(World& world, const Box& box) {
    const std::string path = world.portServer(box);
    for (std::size_t i = 0; i < kDownloads; ++i) {
      sockets_.push_back(connectTo(world.port(), kSmallBuffer));
      sendAll(sockets_.back().get(), requestText("GET", path + "/1000000000"));
    }
    sockets_.push_back(connectTo(world.port(), kSmallBuffer));
    const std::string one = requestText("GET", "/openapi.json");
    for (std::size_t i = 0; i < kPipelined; ++i) {
      // As much as is taken without waiting.
      if (::send(sockets_.back().get(), one.data(), one.size(), MSG_NOSIGNAL | MSG_DONTWAIT) < 0) break;
    }
    const std::string terminal = makeTerminal(world, box);
    sockets_.push_back(connectTo(world.port(), kSmallBuffer));
    const int flood = sockets_.back().get();
    sendAll(flood, requestText("GET", box.socketPath(), {},
                               {{"Connection", "Upgrade"},
                                {"Upgrade", "websocket"},
                                {"Sec-WebSocket-Version", "13"},
                                {"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="}}));
    std::string head(4096, '\0');
    if (receiveSome(flood, head, true) <= 0 || !head.starts_with("HTTP/1.1 101"))
      throw Problem("a terminal's WebSocket is refused");
    sendAll(flood, textFrame(subscription(terminal)));
    sendAll(flood, textFrame(typing(terminal, "yes 'a line of a terminal that nobody reads'\n")));
    terminal_ = box.request("DELETE", "/terminals/" + terminal);
  }

  void end(World& world) {
    sockets_.clear();
    Caller caller(world.port());
    if (caller.ask(terminal_).status != 204) throw Problem("a terminal that nobody reads cannot be destroyed");
  }

 private:
  std::vector<Descriptor> sockets_;
  std::string terminal_;
};

}  // namespace

void measureSlow(World& world, Report& report, const Sizes& sizes) {
  const std::vector<Box> boxes = world.boxes(2);
  std::vector<std::string> requests;
  for (std::size_t i = 0; i < kOthers; ++i) {
    requests.push_back(i % 2 == 0 ? requestText("GET", "/health") : boxes[1].request("GET", "/health"));
  }
  (void)world.portServer(boxes[0]);
  Load without;
  Load with;
  long long growth = 0;
  // In turns, so that what else this machine does hits both.
  for (int round = 0; round < 2 * sizes.rounds; ++round) {
    without.add(askInTurn(world.port(), requests, sizes.turn));
    world.gateway().forgetPeak();
    const long long before = world.gateway().resident();
    Deaf deaf(world, boxes[0]);
    with.add(askInTurn(world.port(), requests, sizes.turn));
    growth = std::max(growth, world.gateway().peak() - before);
    deaf.end(world);
  }
  report.print("alone_p99", without.quantile(0.99));
  report.print("beside_slow_p99", with.quantile(0.99));
  report.print("alone_p50", without.quantile(0.5));
  report.print("beside_slow_p50", with.quantile(0.5));
  report.print("slow_growth", growth);
}

}  // namespace computesdk::bench
