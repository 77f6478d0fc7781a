// listener [--status N] [--ignore-term] [--background] [--six] [--silent]: an HTTP server for tests. Listens on
// 127.0.0.1 (or ::1), on $PORT or any free port, prints "listening on N", and answers each request with the status, or
// never.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

int main(int argc, char** argv) {
  std::string status = "200";
  bool six = false, silent = false;
  for (int at = 1; at < argc; ++at) {
    const std::string_view word = argv[at];
    if (word == "--status" && at + 1 < argc) status = argv[++at];
    if (word == "--six") six = true;
    if (word == "--silent") silent = true;
    if (word == "--ignore-term") ::signal(SIGTERM, SIG_IGN);
    if (word == "--background" && ::fork() != 0) return 0;
  }
  const int fd = ::socket(six ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  const char* port = std::getenv("PORT");
  const auto number = htons(static_cast<std::uint16_t>(port == nullptr ? 0 : std::strtol(port, nullptr, 10)));
  sockaddr_in four{};
  four.sin_family = AF_INET;
  four.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  four.sin_port = number;
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  v6.sin6_addr = in6addr_loopback;
  v6.sin6_port = number;
  auto* address = six ? reinterpret_cast<sockaddr*>(&v6) : reinterpret_cast<sockaddr*>(&four);
  socklen_t size = six ? sizeof v6 : sizeof four;
  if (::bind(fd, address, size) != 0 || ::listen(fd, 16) != 0) return 3;
  ::getsockname(fd, address, &size);
  std::printf("listening on %d\n", ntohs(six ? v6.sin6_port : four.sin_port));
  std::fflush(stdout);
  for (;;) {
    const int client = ::accept4(fd, nullptr, nullptr, SOCK_CLOEXEC);
    if (client < 0) continue;
    char request[4096];
    const ssize_t got = ::read(client, request, sizeof request);
    const std::string answer = "HTTP/1.1 " + status + " Whatever\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
    if (!silent && got > 0 && ::write(client, answer.data(), answer.size()) < 0) std::perror("write");
    if (!silent) ::close(client);
  }
}
