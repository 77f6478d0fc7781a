#include "hub.hpp"

#include <boost/asio/executor_work_guard.hpp>

#include <pthread.h>
#include <signal.h>

#include <mutex>
#include <system_error>
#include <thread>

namespace computesdk::net {
namespace {

void loop(Hub& hub) {
  const auto work = asio::make_work_guard(hub.io);
  hub.io.run();
}

bool startThread(Hub& hub) {
  // Signals are the application's business, and a write to a connection that is gone must not raise SIGPIPE here.
  sigset_t all, before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  bool started = true;
  try {
    std::thread thread([&hub] { loop(hub); });
    ::pthread_setname_np(thread.native_handle(), "csdk-net");
    thread.detach();
  } catch (const std::system_error&) {
    started = false;
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return started;
}

}  // namespace

Hub* Hub::instance() {
  static std::mutex mutex;
  static Hub* hub = nullptr;
  std::lock_guard lock(mutex);
  if (hub == nullptr) {
    auto* fresh = new Hub;
    if (!startThread(*fresh)) {
      delete fresh;
      return nullptr;
    }
    hub = fresh;
  }
  return hub;
}

}  // namespace computesdk::net
