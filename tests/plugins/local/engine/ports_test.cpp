// Ports of a sandbox, reached from the host though its network is `none`.
#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "fixture.hpp"
#include "network/network.hpp"

namespace computesdk::local::testing {
namespace {

using PortsTest = SandboxTest;

int connectTo(const std::string& url) {
  const int port = std::stoi(url.substr(url.rfind(':') + 1));
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  const timeval patience{20, 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  return fd;
}

std::string readAll(int fd) {
  std::string text;
  char block[65536];
  ssize_t n;
  while ((n = read(fd, block, sizeof block)) > 0) text.append(block, static_cast<std::size_t>(n));
  return text;
}

// A server in perl, which is part of every Debian: sends back what it reads, and "END" after its end.
constexpr const char* kEcho = R"(use Socket; $| = 1; $SIG{CHLD} = 'IGNORE';
socket(S, PF_INET, SOCK_STREAM, 0); setsockopt(S, SOL_SOCKET, SO_REUSEADDR, 1);
bind(S, sockaddr_in(8000, INADDR_LOOPBACK)) or die; listen(S, 100); print "ready\n";
while (1) { my $p = accept(C, S) or next; if (fork == 0) {
  while (sysread(C, my $b, 65536)) { my $o = 0; while ($o < length $b) { $o += syswrite(C, $b, length($b) - $o, $o); } }
  syswrite(C, "END"); exit 0; } close C; })";

Process serve(Sandbox& sandbox) {
  BackgroundSpec spec;
  spec.argv = {"perl", "-e", kEcho};
  auto process = sandbox.start(spec);
  if (!process.ok()) abort();
  EXPECT_TRUE(process->waitForChange(0, UINT64_MAX, Milliseconds(20000)).ok());
  return std::move(*process);
}

TEST_F(PortsTest, urlReachesAServerAndHalfCloseIsKept) {
  auto sandbox = make();
  const Process server = serve(*sandbox);
  auto url = sandbox->url(8000);
  ASSERT_TRUE(url.ok()) << url.error().message;
  EXPECT_EQ(url->rfind("http://127.0.0.1:", 0), 0U);
  EXPECT_EQ(*sandbox->url(8000), *url) << "one port, one URL";
  const int fd = connectTo(*url);
  ASSERT_EQ(write(fd, "hello", 5), 5);
  shutdown(fd, SHUT_WR);
  EXPECT_EQ(readAll(fd), "helloEND");
  close(fd);
  EXPECT_EQ(sandbox->info()->ports.size(), 1U);
}

TEST_F(PortsTest, urlOutlivesItsHost) {
  std::string id, url;
  {
    Engine first(options());
    auto sandbox = first.create({});
    ASSERT_TRUE(sandbox.ok());
    id = (*sandbox)->id();
    static_cast<void>(serve(**sandbox));
    url = *(*sandbox)->url(8000);
  }
  const int fd = connectTo(url);
  ASSERT_EQ(write(fd, "x", 1), 1);
  shutdown(fd, SHUT_WR);
  EXPECT_EQ(readAll(fd), "xEND");
  close(fd);
  EXPECT_TRUE(engine_.destroy(id).ok());
}

TEST_F(PortsTest, manyConnectionsMuchData) {
  auto sandbox = make();
  const Process server = serve(*sandbox);
  const std::string url = *sandbox->url(8000);
  std::atomic<int> good{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 20; ++i) {
    threads.emplace_back([&, i] {
      const int fd = connectTo(url);
      const std::string sent(3000000, static_cast<char>('a' + i));
      std::thread writer([&] {
        std::size_t at = 0;
        while (at < sent.size()) {
          const ssize_t n = send(fd, sent.data() + at, sent.size() - at, MSG_NOSIGNAL);
          if (n <= 0) break;
          at += static_cast<std::size_t>(n);
        }
        shutdown(fd, SHUT_WR);
      });
      if (readAll(fd) == sent + "END") ++good;
      writer.join();
      close(fd);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(good, 20);
}

TEST_F(PortsTest, nobodyListening) {
  auto sandbox = make();
  const int fd = connectTo(*sandbox->url(9));
  EXPECT_EQ(readAll(fd), "");
  close(fd);
  auto dialled = sandbox->dial(9);
  ASSERT_FALSE(dialled.ok());
  EXPECT_EQ(dialled.error().kind, ErrorClass::kUnavailable);
  EXPECT_FALSE(dialled.error().fix.empty());
}

TEST_F(PortsTest, dialGivesTheSocketItself) {
  auto sandbox = make();
  const Process server = serve(*sandbox);
  auto socket = sandbox->dial(8000);
  ASSERT_TRUE(socket.ok()) << socket.error().message;
  ASSERT_EQ(write(socket->get(), "direct", 6), 6);
  shutdown(socket->get(), SHUT_WR);
  EXPECT_EQ(readAll(socket->get()), "directEND");
}

TEST_F(PortsTest, urlEndsWithTheSandbox) {
  auto sandbox = make();
  const std::string url = *sandbox->url(8000);
  ASSERT_TRUE(sandbox->destroy().ok());
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(std::stoi(url.substr(url.rfind(':') + 1))));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_NE(connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  close(fd);
}

TEST_F(PortsTest, serverWithAFullQueueDoesNotHoldUpOthers) {
  auto sandbox = make();
  BackgroundSpec spec;
  spec.argv = {
      "perl", "-e",
      "use Socket; $|=1; socket(S,PF_INET,SOCK_STREAM,0); bind(S,sockaddr_in(8000,INADDR_LOOPBACK)); listen(S,0); "
      "print qq(ready\\n); sleep 1000"};
  auto process = sandbox->start(spec);
  ASSERT_TRUE(process.ok());
  ASSERT_TRUE(process->waitForChange(0, UINT64_MAX, Milliseconds(20000)).ok());
  const std::string url = *sandbox->url(8000);
  std::vector<int> held;
  for (int i = 0; i < 8; ++i) held.push_back(connectTo(url));
  EXPECT_EQ(run(*sandbox, {"echo", "still served"}).out, "still served\n");
  for (const int fd : held) close(fd);
}

TEST_F(PortsTest, portsOfTheSpecAreOpenAtOnce) {
  CreateSpec spec;
  spec.ports = {3000, 8080};
  auto sandbox = make(spec);
  EXPECT_EQ(sandbox->info()->ports.size(), 2U);
  EXPECT_EQ(sandbox->url(0).error().kind, ErrorClass::kInvalidArgument);
}

TEST_F(PortsTest, fullNetworkHasAWayOutButNotToTheHost) {
  if (!network::findHelper().ok()) GTEST_SKIP() << "neither pasta nor slirp4netns is installed";
  CreateSpec spec;
  spec.network = NetworkMode::kFull;
  if (rootEngine()) {
    const auto refused = engine_.create(spec);
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().kind, ErrorClass::kUnimplemented);
    return;
  }
  if (access("/dev/net/tun", R_OK | W_OK) != 0) {
    auto refused = engine_.create(spec);
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().kind, ErrorClass::kUnavailable) << refused.error().message;
    EXPECT_NE(refused.error().fix.find("/dev/net/tun"), std::string::npos) << refused.error().fix;
    EXPECT_TRUE(engine_.list()->empty());
    return;
  }
  auto sandbox = make(spec);
  EXPECT_EQ(shell(*sandbox, "cat /etc/resolv.conf").out, network::resolvConf());
  EXPECT_EQ(shell(*sandbox, "grep -c eth0 /proc/net/dev").out, "1\n");
  EXPECT_EQ(sandbox->info()->network, NetworkMode::kFull);
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  ASSERT_EQ(bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  socklen_t size = sizeof address;
  getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size);
  listen(listener, 5);
  const std::string port = std::to_string(ntohs(address.sin_port));
  std::string targets = "127.0.0.1 169.254.169.254 10.0.0.1 192.168.0.1 192.0.0.1 192.0.0.3";
  for (const std::uint32_t host : network::hostAddresses()) {
    char text[32];
    targets += std::string(" ") + inet_ntop(AF_INET, &host, text, sizeof text);
  }
  const Output output = shell(*sandbox, "for a in " + targets + "; do timeout 2 bash -c \"echo >/dev/tcp/$a/" + port +
                                            "\" 2>/dev/null && echo reached $a; done; echo end");
  EXPECT_EQ(output.out, "end\n");
  close(listener);
}

}  // namespace
}  // namespace computesdk::local::testing
