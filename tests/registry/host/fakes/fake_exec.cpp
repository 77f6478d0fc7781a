#include "fake.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <thread>
#include <vector>

namespace {

/// Waits until the call is cancelled, by on_cancel alone.
struct Cancelled {
  std::mutex mutex;
  std::condition_variable changed;
  bool fired = false;

  static void fire(void* ctx) {
    auto& self = *static_cast<Cancelled*>(ctx);
    std::lock_guard lock(self.mutex);
    self.fired = true;
    self.changed.notify_all();
  }
  void wait() {
    std::unique_lock lock(mutex);
    changed.wait(lock, [this] { return fired; });
  }
};

csdk_status runUntilCancelled(csdk_provider* p, csdk_call call) {
  Cancelled cancelled;
  put(p, call, "started");
  p->host->on_cancel(p->host, call, &Cancelled::fire, &cancelled);
  cancelled.wait();
  p->host->on_cancel(p->host, call, nullptr, nullptr);
  return CSDK_CANCELLED;
}

csdk_status echoInput(csdk_provider* p, csdk_call call, const csdk_exec_args* args) {
  if (args->source == nullptr) {
    put(p, call, view(args->input));
    return exitWith(p, call, 0);
  }
  Cancelled ready;  // used for readability
  uint8_t buffer[8192];
  for (;;) {
    size_t size = 0;
    const csdk_status status = args->source->read(args->source, buffer, sizeof buffer, &size);
    if (status == CSDK_EOF) return exitWith(p, call, 0);
    if (status == CSDK_OK) {
      put(p, call, {reinterpret_cast<char*>(buffer), size});
    } else if (status == CSDK_AGAIN) {
      ready.fired = false;
      args->source->on_readable(args->source, &Cancelled::fire, &ready);
      ready.wait();
    } else {
      return status;
    }
  }
}

csdk_status writeMuch(csdk_provider* p, csdk_call call, size_t total) {
  const std::string chunk(50'000, 'x');
  while (total > 0) {
    const size_t size = std::min(total, chunk.size());
    const csdk_status status = put(p, call, std::string_view(chunk).substr(0, size));
    if (status == CSDK_CANCELLED) return CSDK_CANCELLED;
    total -= size;
    if (status != CSDK_PAUSE) continue;
    Cancelled resumed;
    p->host->on_resume(p->host, call, &Cancelled::fire, &resumed);
    resumed.wait();
  }
  return exitWith(p, call, 0);
}

csdk_status completeLater(csdk_provider* p, csdk_call call, int times) {
  std::thread([p, call, times] {
    put(p, call, "later");
    exitWith(p, call, 5);
    for (int i = 0; i < times; ++i) p->host->complete(p->host, call, CSDK_OK);
    if (times > 1) put(p, call, "after the end");
  }).detach();
  return CSDK_PENDING;
}

csdk_status runTimer(csdk_provider* p, csdk_call call) {
  const auto* timers = static_cast<const csdk_timer_ext*>(p->host->extension(p->host, str(CSDK_EXT_TIMER)));
  if (timers == nullptr || p->host->extension(p->host, str(CSDK_EXT_HTTP)) != nullptr) return CSDK_INTERNAL;
  Cancelled ran, never;
  uint64_t soon = 0, late = 0;
  timers->start(p->host, call, 1'000'000, &Cancelled::fire, &ran, &soon);
  timers->start(p->host, call, 3'600'000'000'000, &Cancelled::fire, &never, &late);
  ran.wait();
  if (timers->cancel(p->host, call, late) != CSDK_OK) return CSDK_INTERNAL;
  if (timers->cancel(p->host, call, soon) != CSDK_NOT_FOUND) return CSDK_INTERNAL;
  timers->start(p->host, call, 3'600'000'000'000, &Cancelled::fire, &never, &late);  // ended by the end of the call
  return exitWith(p, call, never.fired ? 1 : 0);
}

/// What an isolated plug-in whose secrets the host keeps must not be able to do: the number of things that it can.
csdk_status tryToEscape(csdk_provider* p, csdk_call call) {
  int32_t escapes = 0;
  if (::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) >= 0) ++escapes;
  if (::fork() >= 0) ++escapes;
  char* const words[] = {nullptr};
  if (::execve("/bin/true", words, words) == 0) ++escapes;
  if (::fopen("/tmp/csdk-fake-escape", "we") != nullptr) ++escapes;
  const std::string memory = "/proc/" + std::to_string(::getppid()) + "/mem";
  if (::fopen(memory.c_str(), "re") != nullptr) ++escapes;
  std::atomic<bool> threads{false};
  std::thread([&threads] { threads = true; }).join();
  return exitWith(p, call, threads ? escapes : 100);
}

std::atomic<int> inside{0};

csdk_status countInside(csdk_provider* p, csdk_call call) {
  const int now = ++inside;
  ::poll(nullptr, 0, 5);  // long enough for another to come in, were it let
  --inside;
  return exitWith(p, call, now);
}

}  // namespace

csdk_status fakeExec(csdk_provider* p, csdk_call call, const csdk_exec_args* args) {
  const std::string_view command = args->argv.count != 0 ? view(args->argv.items[0]) : view(args->command);
  const std::string_view word = args->argv.count > 1 ? view(args->argv.items[1]) : std::string_view{};
  if (command == "null") return exitWith(p, call, 0);
  if (command == "echo") {
    put(p, call, word);
    put(p, call, "problem", CSDK_STREAM_STDERR);
    return exitWith(p, call, 3);
  }
  if (command == "cwd+env") {
    put(p, call, std::string(view(args->cwd)) + " " + std::string(view(args->env.items[0].key)));
    return exitWith(p, call, 0);
  }
  if (command == "cat") return echoInput(p, call, args);
  if (command == "write") return writeMuch(p, call, std::strtoull(std::string(word).c_str(), nullptr, 10));
  if (command == "later") return completeLater(p, call, 1);
  if (command == "twice") return completeLater(p, call, 2);
  if (command == "until-cancelled") return runUntilCancelled(p, call);
  if (command == "timer") return runTimer(p, call);
  if (command == "escape") return tryToEscape(p, call);
  if (command == "inside") return countInside(p, call);
  if (command == "never") return CSDK_PENDING;
  if (command == "hang") {
    // Deaf to its deadline and to cancellation, for as long as the word says.
    ::poll(nullptr, 0, static_cast<int>(std::strtol(std::string(word).c_str(), nullptr, 10)));
    return exitWith(p, call, 0);
  }
  if (command == "complete-and-return") {
    exitWith(p, call, 0);
    p->host->complete(p->host, call, CSDK_OK);
    return CSDK_OK;
  }
  if (command == "rate-limit") {
    return failWith(p, call, CSDK_RESOURCE_EXHAUSTED, "too many", CSDK_ERROR_RATE_LIMIT, CSDK_ERROR_RETRYABLE);
  }
  if (command == "mute") return CSDK_INTERNAL;
  if (command == "exit") {
    return exitWith(p, call, static_cast<int32_t>(std::strtol(std::string(word).c_str(), nullptr, 10)));
  }
  if (command == "note-close") {
    p->closeNote = std::string(word);
    return exitWith(p, call, 0);
  }
  if (command == "no-exit") return CSDK_OK;
  if (command == "log") {
    p->host->log(p->host, call, CSDK_LOG_INFO, str("the key is " + p->apiKey + "\nsecond"));
    return exitWith(p, call, 0);
  }
  if (command == "crash") {
    std::fprintf(stderr, "about to fall, key %s\n", p->apiKey.c_str());
    std::abort();
  }
  return failWith(p, call, CSDK_INVALID_ARGUMENT, "no such behaviour");
}
