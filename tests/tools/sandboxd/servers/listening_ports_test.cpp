#include "servers/listening_ports.hpp"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>

#include "core/unique_fd.hpp"
#include "servers/log_ring.hpp"

namespace computesdk::sandboxd {
namespace {

struct Listener {
  UniqueFd fd;
  std::uint16_t port = 0;
};

Listener listenOn(int family) {
  Listener listener{UniqueFd(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0)), 0};
  sockaddr_storage address{};
  address.ss_family = static_cast<sa_family_t>(family);
  socklen_t size = family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
  EXPECT_EQ(::bind(listener.fd.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
  EXPECT_EQ(::listen(listener.fd.get(), 1), 0);
  ::getsockname(listener.fd.get(), reinterpret_cast<sockaddr*>(&address), &size);
  listener.port = ntohs(reinterpret_cast<sockaddr_in*>(&address)->sin_port);  // at the same place in both
  return listener;
}

TEST(ListeningPorts, ReadsTheKernelsTable) {
  SocketPorts sockets;
  addListeningSockets(
      "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
      "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4242 1 0000 100 0\n"
      "   1: 0100007F:1F91 0100007F:C001 01 00000000:00000000 00:00000000 00000000     0        0 4243 1 0000 100 0\n"
      "   2: 00000000000000000000000000000000:0BB8 00000000000000000000000000000000:0000 0A 0:0 0:0 0 0 0 77\n"
      "   3: nonsense\n"
      "   4: 0100007F:FFFFF 00000000:0000 0A 0:0 0:0 0 0 0 78\n",
      sockets);
  EXPECT_THAT(sockets, testing::ElementsAre(testing::Pair(77, 3000), testing::Pair(4242, 8080)));
}

TEST(ListeningPorts, FindsItsOwn) {
  const Listener four = listenOn(AF_INET);
  const Listener six = listenOn(AF_INET6);
  const PortScanner scanner;
  EXPECT_THAT(scanner.portsOf({::getpid()}, scanner.listening()), testing::IsSupersetOf({four.port, six.port}));
  EXPECT_THAT(scanner.portsOf({}, scanner.listening()), testing::IsEmpty());
  EXPECT_FALSE(portIsFree(four.port));
  EXPECT_FALSE(portIsFree(six.port));
}

TEST(ListeningPorts, AClosedPortIsFree) {
  std::uint16_t port = 0;
  {
    const Listener listener = listenOn(AF_INET6);
    port = listener.port;
  }
  EXPECT_TRUE(portIsFree(port));
  EXPECT_THAT(PortScanner().portsOf({::getpid()}, PortScanner().listening()), testing::Not(testing::Contains(port)));
}

TEST(LogRing, KeepsTheEndFromTheBeginningOfALine) {
  LogRing ring(16);
  ring.append("one\n");
  EXPECT_EQ(ring.text(), "one\n");
  ring.append("two\nthree\nfour\n");
  EXPECT_EQ(ring.text(), "two\nthree\nfour\n") << "cut within the first line";
  ring.append(std::string(100, 'x'));
  EXPECT_EQ(ring.text(), std::string(16, 'x'));
}

TEST(LogRing, NeverStaysAboveTwiceItsCapacity) {
  LogRing ring(64);
  std::string all;
  for (int line = 0; line < 1000; ++line) {
    const std::string text = "line " + std::to_string(line) + "\n";
    all += text;
    ring.append(text);
    const std::string kept = ring.text();
    EXPECT_LE(kept.size(), 64U);
    EXPECT_TRUE(all.ends_with(kept));
    EXPECT_TRUE(kept.starts_with("line "));
  }
}

TEST(LogRing, DoesNotSplitACharacter) {
  LogRing ring(8);
  ring.append("\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9");  // five times é
  ring.append("x");
  EXPECT_EQ(ring.text(), "\xc3\xa9\xc3\xa9\xc3\xa9x");
}

}  // namespace
}  // namespace computesdk::sandboxd
