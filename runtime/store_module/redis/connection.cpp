#include "redis/connection.hpp"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <system_error>

namespace computesdk::store::redis {
namespace {

/// Nothing that is kept here is larger; an answer that claims to be comes from something that is no Redis.
constexpr std::int64_t kLargestText = 64 * 1024 * 1024;
constexpr std::int64_t kMostItems = 1'000'000;
constexpr int kDeepest = 8;

ErrorInfo storeError(const std::string& shown, std::string why, std::string fix) {
  ErrorInfo error;
  error.code = ErrorCode::store;
  error.what = "cannot use the store " + shown;
  error.why = std::move(why);
  error.fix = std::move(fix);
  return error;
}

ErrorInfo away(const std::string& shown, std::string why) {
  ErrorInfo error =
      storeError(shown, std::move(why),
                 "see that Redis runs there and that this machine may reach it: redis-cli -u " + shown + " ping");
  error.retryable = true;
  return error;
}

std::string systemText(int error) { return std::generic_category().message(error); }

/// Milliseconds for poll.
int left(Clock::time_point deadline) {
  const auto ms = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
  return static_cast<int>(std::clamp<std::int64_t>(ms, 0, 3'600'000));
}

/// 0 when ready, else an errno.
int waitFor(int fd, short events, Clock::time_point deadline) {
  for (;;) {
    pollfd entry = {fd, events, 0};
    const int got = ::poll(&entry, 1, left(deadline));
    if (got > 0) return 0;
    if (got == 0) return ETIMEDOUT;
    if (errno != EINTR) return errno;
  }
}

/// A connected descriptor, or -1 and `error`.
int connectTo(const addrinfo& to, Clock::time_point deadline, int& error) {
  const int fd = ::socket(to.ai_family, to.ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, to.ai_protocol);
  if (fd < 0) {
    error = errno;
    return -1;
  }
  error = ::connect(fd, to.ai_addr, to.ai_addrlen) == 0 ? 0 : errno;
  if (error == EINPROGRESS || error == EINTR) {
    error = waitFor(fd, POLLOUT, deadline);
    socklen_t size = sizeof error;
    if (error == 0) ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
  }
  if (error != 0) {
    ::close(fd);
    return -1;
  }
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  ::setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  return fd;
}

Result<int> connectTo(const Address& address, Clock::time_point deadline) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int failed = ::getaddrinfo(address.host.c_str(), std::to_string(address.port).c_str(), &hints, &found);
  if (failed != 0) return away(address.shown(), std::string("its host is not found: ") + ::gai_strerror(failed));
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owned(found, ::freeaddrinfo);
  int error = ENOENT;
  for (const addrinfo* to = found; to != nullptr; to = to->ai_next) {
    const int fd = connectTo(*to, deadline, error);
    if (fd >= 0) return fd;
  }
  return away(address.shown(), "connecting failed: " + systemText(error));
}

std::string commandText(std::span<const std::string> words) {
  std::string text = "*" + std::to_string(words.size()) + "\r\n";
  for (const std::string& word : words) text += "$" + std::to_string(word.size()) + "\r\n" + word + "\r\n";
  return text;
}

}  // namespace

ErrorInfo refused(const std::string& shown, const std::string& answer) {
  const std::string kind = answer.substr(0, answer.find(' '));
  std::string fix = "see the log of Redis";
  bool later = false;
  if (kind == "WRONGPASS" || kind == "NOAUTH" || answer.find("AUTH") != answer.npos) {
    fix = "put the right password into the url: redis://:PASSWORD@HOST:PORT/DB";
  } else if (kind == "NOPERM") {
    fix = "allow that user what the page stores.md of the documents lists (ACL SETUSER)";
  } else if (kind == "OOM") {
    fix = "give Redis more memory (maxmemory) and keep maxmemory-policy at noeviction";
  } else if (kind == "MISCONF") {
    fix = "Redis cannot write to its disk: see that it is not full";
    later = true;
  } else if (kind == "READONLY" || kind == "MASTERDOWN" || kind == "LOADING" || kind == "BUSY") {
    fix = kind == "READONLY" || kind == "MASTERDOWN" ? "give the url of the primary, not of a replica" : "try again";
    later = true;
  } else if (kind == "WRONGTYPE") {
    fix = "another program's keys are in that database: give one of its own, redis://HOST:PORT/DB";
  } else if (kind == "CROSSSLOT" || kind == "MOVED" || kind == "CLUSTERDOWN") {
    fix = "Redis Cluster is not offered: use a single primary (Sentinel or a managed primary is fine)";
  }
  ErrorInfo error = storeError(shown, "Redis answered: " + answer, std::move(fix));
  error.retryable = later;
  error.vendorCode = kind;
  return error;
}

Result<std::unique_ptr<Connection>> Connection::open(const Address& address, Clock::time_point deadline) {
  auto fd = connectTo(address, deadline);
  if (!fd) return std::move(fd).error();
  std::unique_ptr<Connection> made(new Connection(*fd, address));
  if (auto greeted = made->greet(address, deadline); !greeted) return std::move(greeted).error();
  return made;
}

Connection::~Connection() { ::close(fd_); }

Result<void> Connection::greet(const Address& address, Clock::time_point deadline) {
  std::vector<std::vector<std::string>> words;
  if (!address.password.empty()) {
    words.push_back(address.user.empty() ? std::vector<std::string>{"AUTH", address.password}
                                         : std::vector<std::string>{"AUTH", address.user, address.password});
  }
  if (address.database != 0) words.push_back({"SELECT", std::to_string(address.database)});
  for (const auto& command : words) {
    auto answer = call(command, deadline);
    if (!answer) return std::move(answer).error();
    if (answer->kind == Reply::Kind::error) return refused(shown_, answer->text);
  }
  return {};
}

Result<Reply> Connection::call(std::span<const std::string> words, Clock::time_point deadline) {
  if (auto sent = send(commandText(words), deadline); !sent) return std::move(sent).error();
  return reply(deadline, 0);
}

bool Connection::closed() const {
  char byte = 0;
  const ssize_t got = ::recv(fd_, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  // Between two commands Redis says nothing: bytes here are as good as an end.
  return got >= 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

ErrorInfo Connection::lost(const std::string& why) const { return away(shown_, "the connection was lost: " + why); }

Result<void> Connection::send(const std::string& bytes, Clock::time_point deadline) {
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t sent = ::send(fd_, bytes.data() + done, bytes.size() - done, MSG_NOSIGNAL);
    if (sent > 0) {
      done += static_cast<std::size_t>(sent);
      continue;
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN && errno != EWOULDBLOCK) return lost(systemText(errno));
    if (const int error = waitFor(fd_, POLLOUT, deadline); error != 0) return lost(systemText(error));
  }
  return {};
}

Result<void> Connection::fill(Clock::time_point deadline) {
  input_.erase(0, used_);
  used_ = 0;
  const std::size_t have = input_.size();
  constexpr std::size_t kPiece = 16 * 1024;
  for (;;) {
    input_.resize(have + kPiece);
    const ssize_t got = ::recv(fd_, input_.data() + have, kPiece, 0);
    const int error = got < 0 ? errno : 0;
    input_.resize(have + (got > 0 ? static_cast<std::size_t>(got) : 0));
    if (got > 0) return {};
    if (got == 0) return lost("Redis closed it");
    if (error == EINTR) continue;
    if (error != EAGAIN && error != EWOULDBLOCK) return lost(systemText(error));
    if (const int waited = waitFor(fd_, POLLIN, deadline); waited != 0) return lost(systemText(waited));
  }
}

Result<std::string> Connection::line(Clock::time_point deadline) {
  for (;;) {
    const std::size_t end = input_.find("\r\n", used_);
    if (end != input_.npos) {
      std::string text = input_.substr(used_, end - used_);
      used_ = end + 2;
      return text;
    }
    if (auto filled = fill(deadline); !filled) return std::move(filled).error();
  }
}

Result<Reply> Connection::reply(Clock::time_point deadline, int depth) {
  auto head = line(deadline);
  if (!head) return std::move(head).error();
  const char kind = head->empty() ? '\0' : head->front();
  Reply answer;
  if (kind == '+' || kind == '-') {
    answer.kind = kind == '+' ? Reply::Kind::text : Reply::Kind::error;
    answer.text = head->substr(1);
    return answer;
  }
  const auto [end, error] = std::from_chars(head->data() + 1, head->data() + head->size(), answer.number);
  const bool counted = error == std::errc() && end == head->data() + head->size();
  if (!counted || depth > kDeepest) return lost("it does not speak the protocol of Redis");
  if (kind == ':') {
    answer.kind = Reply::Kind::integer;
    return answer;
  }
  if ((kind == '$' || kind == '*') && answer.number == -1) return answer;
  if (kind == '$' && answer.number >= 0 && answer.number <= kLargestText) {
    const auto size = static_cast<std::size_t>(answer.number);
    while (input_.size() - used_ < size + 2) {
      if (auto filled = fill(deadline); !filled) return std::move(filled).error();
    }
    answer.kind = Reply::Kind::text;
    answer.text = input_.substr(used_, size);
    used_ += size + 2;
    return answer;
  }
  if (kind == '*' && answer.number >= 0 && answer.number <= kMostItems) {
    answer.kind = Reply::Kind::array;
    for (std::int64_t i = 0; i < answer.number; ++i) {
      auto item = reply(deadline, depth + 1);
      if (!item) return std::move(item).error();
      answer.items.push_back(std::move(*item));
    }
    return answer;
  }
  return lost("it does not speak the protocol of Redis");
}

}  // namespace computesdk::store::redis
