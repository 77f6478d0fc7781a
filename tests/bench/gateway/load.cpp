#include "load.hpp"

#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <exception>
#include <mutex>
#include <thread>

namespace computesdk::bench {
namespace {

constexpr int kSilence = 30'000;  // milliseconds

struct Asker {
  Descriptor socket;
  AnswerReader reader;
  Clock::time_point since;
  const std::string* request = nullptr;

  void ask() {
    since = Clock::now();
    sendAll(socket.get(), *request);
  }
};

}  // namespace

long long Load::each() const {
  if (latencies.empty()) throw Problem("not one request was answered");
  return nanoseconds / static_cast<long long>(latencies.size());
}

long long Load::quantile(double share) {
  if (latencies.empty()) throw Problem("not one request was answered");
  std::ranges::sort(latencies);
  const auto at = static_cast<std::size_t>(share * static_cast<double>(latencies.size()));
  return latencies[std::min(at, latencies.size() - 1)];
}

void Load::add(const Load& other) {
  nanoseconds += other.nanoseconds;
  latencies.insert(latencies.end(), other.latencies.begin(), other.latencies.end());
}

Load askInTurn(std::uint16_t port, const std::vector<std::string>& requests, std::chrono::milliseconds time) {
  const Descriptor poll(::epoll_create1(EPOLL_CLOEXEC));
  std::vector<Asker> askers(requests.size());
  for (std::size_t i = 0; i < askers.size(); ++i) {
    askers[i].socket = connectTo(port);
    askers[i].request = &requests[i];
    epoll_event interest{.events = EPOLLIN, .data = {.u64 = i}};
    if (::epoll_ctl(poll.get(), EPOLL_CTL_ADD, askers[i].socket.get(), &interest) != 0) throw Problem("no epoll");
  }
  Load load;
  std::string piece(64u << 10, '\0');
  const auto begin = Clock::now();
  for (Asker& asker : askers) asker.ask();
  std::size_t waiting = askers.size();
  while (waiting > 0) {
    std::array<epoll_event, 64> events{};
    const int count = ::epoll_wait(poll.get(), events.data(), static_cast<int>(events.size()), kSilence);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) throw Problem("for half a minute no request was answered");
    for (int i = 0; i < count; ++i) {
      Asker& asker = askers[events.at(static_cast<std::size_t>(i)).data.u64];
      const long got = receiveSome(asker.socket.get(), piece, false);
      if (got < 0) continue;
      if (got == 0) throw Problem("a connection ended under load");
      if (!asker.reader.put(std::string_view(piece).substr(0, static_cast<std::size_t>(got)))) continue;
      if (asker.reader.status() != 200)
        throw Problem("status " + std::to_string(asker.reader.status()) + " under load: " + asker.reader.body());
      load.latencies.push_back(nanosecondsSince(asker.since));
      Clock::now() - begin < time ? asker.ask() : void(--waiting);
    }
  }
  load.nanoseconds = nanosecondsSince(begin);
  return load;
}

Load callInTurn(const std::vector<std::function<void()>>& calls, std::chrono::milliseconds time) {
  std::mutex mutex;
  std::exception_ptr failed;
  Load all;
  const auto begin = Clock::now();
  {
    std::vector<std::jthread> threads;
    for (const auto& call : calls) {
      threads.emplace_back([&, call] {
        Load mine;
        try {
          while (Clock::now() - begin < time) {
            const auto since = Clock::now();
            call();
            mine.latencies.push_back(nanosecondsSince(since));
          }
        } catch (...) {
          const std::lock_guard lock(mutex);
          failed = std::current_exception();
        }
        const std::lock_guard lock(mutex);
        all.add(mine);
      });
    }
  }
  if (failed) std::rethrow_exception(failed);
  all.nanoseconds = nanosecondsSince(begin);
  return all;
}

}  // namespace computesdk::bench
