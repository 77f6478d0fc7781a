#include "resolver.hpp"

#include <netdb.h>
#include <pthread.h>
#include <signal.h>

#include <condition_variable>
#include <cstring>
#include <deque>
#include <functional>
#include <list>
#include <mutex>
#include <thread>

namespace computesdk::net {
namespace {

constexpr auto kKept = std::chrono::seconds(30);
constexpr std::size_t kMaxQuestions = 1024;

/// Asks the system. Blocks.
Resolved askSystem(const std::string& host) {
  Resolved out;
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG;
  addrinfo* first = nullptr;
  const int code = ::getaddrinfo(host.c_str(), nullptr, &hints, &first);
  if (code != 0) {
    out.problem = ::gai_strerror(code);
    out.permanent = code == EAI_NONAME || code == EAI_FAIL;
    return out;
  }
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> list(first, &::freeaddrinfo);
  for (const addrinfo* at = first; at != nullptr; at = at->ai_next) {
    if (at->ai_family == AF_INET) {
      asio::ip::address_v4::bytes_type bytes;
      std::memcpy(bytes.data(), &reinterpret_cast<const sockaddr_in*>(at->ai_addr)->sin_addr, bytes.size());
      out.addresses.emplace_back(asio::ip::address_v4(bytes));
    } else if (at->ai_family == AF_INET6) {
      asio::ip::address_v6::bytes_type bytes;
      std::memcpy(bytes.data(), &reinterpret_cast<const sockaddr_in6*>(at->ai_addr)->sin6_addr, bytes.size());
      out.addresses.emplace_back(asio::ip::address_v6(bytes));
    }
  }
  if (out.addresses.empty()) out.problem = "the name has no address";
  return out;
}

}  // namespace

/// One name being looked up, or its answer.
struct Resolver::Question {
  bool answered = false;
  Clock::time_point when;
  Resolved answer;
  std::list<Gate*> waiting;
};

/// The threads. They never end, and keep what they touch alive themselves.
struct Resolver::Workers {
  std::mutex mutex;
  std::condition_variable work;
  std::deque<std::function<void()>> jobs;
  int threads = 0, idle = 0;

  static void submit(const std::shared_ptr<Workers>& self, std::function<void()> job) {
    std::lock_guard lock(self->mutex);
    self->jobs.push_back(std::move(job));
    if (self->idle == 0 && self->threads < kThreads) {
      ++self->threads;
      std::thread thread([self] { serve(*self); });
      ::pthread_setname_np(thread.native_handle(), "csdk-names");
      thread.detach();
    }
    self->work.notify_one();
  }

  static void serve(Workers& self) {
    std::unique_lock lock(self.mutex);
    for (;;) {
      ++self.idle;
      self.work.wait(lock, [&] { return !self.jobs.empty(); });
      --self.idle;
      const std::function<void()> job = std::move(self.jobs.front());
      self.jobs.pop_front();
      lock.unlock();
      job();
      lock.lock();
    }
  }
};

Resolver::Resolver(asio::io_context& io) : io_(io), workers_(std::make_shared<Workers>()) {}
Resolver::~Resolver() = default;

void Resolver::ask(const std::string& host, const std::shared_ptr<Question>& question) {
  Workers::submit(workers_, [this, host, question] {
    Resolved answer = askSystem(host);
    asio::post(io_, [this, host, question, answer = std::move(answer)]() mutable {
      question->answered = true;
      question->when = Clock::now();
      question->answer = std::move(answer);
      // A name that could not be found is asked for again the next time.
      if (question->answer.addresses.empty()) {
        const auto found = questions_.find(host);
        if (found != questions_.end() && found->second == question) questions_.erase(found);
      }
      for (Gate* gate : question->waiting) gate->open();
    });
  });
}

Task<Resolved> Resolver::lookup(std::string host, Clock::time_point until) {
  error_code none;
  const asio::ip::address literal = asio::ip::make_address(host, none);
  Resolved out;
  if (!none) {
    out.addresses.push_back(literal);
    co_return out;
  }
  if (host == "localhost" || host.ends_with(".localhost")) {
    out.addresses = {asio::ip::address_v4::loopback(), asio::ip::address_v6::loopback()};
    co_return out;
  }
  auto found = questions_.find(host);
  if (found != questions_.end() && found->second->answered && Clock::now() - found->second->when > kKept) {
    questions_.erase(found);
    found = questions_.end();
  }
  if (found == questions_.end()) {
    if (questions_.size() >= kMaxQuestions) questions_.clear();
    found = questions_.emplace(host, std::make_shared<Question>()).first;
    ask(host, found->second);
  }
  const std::shared_ptr<Question> question = found->second;
  if (!question->answered) {
    Gate gate(io_);
    const auto place = question->waiting.insert(question->waiting.end(), &gate);
    co_await gate.waitUntil(until);
    question->waiting.erase(place);
  }
  if (question->answered) {
    out = question->answer;
  } else {
    out.problem = "no answer from the name service";
  }
  co_return out;
}

}  // namespace computesdk::net
