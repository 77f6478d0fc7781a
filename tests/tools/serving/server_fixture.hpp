#pragma once

#include "raw_client.hpp"

#include <computesdk/serving/server.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <functional>
#include <future>
#include <mutex>

namespace serving_test {

using namespace computesdk::serving;
using computesdk::Result;
using namespace std::chrono_literals;

/// A server on a port that the kernel chose, with a loop on its own thread. Build routes, then start().
class ServerTest : public testing::Test {
 protected:
  ServerTest() { options.endpoints = {{.address = "127.0.0.1", .port = 0, .unixPath = {}, .handshake = {}}}; }
  ~ServerTest() override {
    server.reset();
    loop.stop();
  }

  void start() {
    loop.start();
    server = std::make_unique<Server>(loop, router, options);
    if (configure) configure(*server);
    const auto started = server->start();
    ASSERT_TRUE(started) << started.error().firstLine();
  }
  RawClient connect() { return RawClient(server->ports().at(0)); }
  /// One request on a connection of its own.
  std::string ask(const std::string& request) {
    RawClient client = connect();
    client.send(request);
    return client.answer();
  }
  static std::string get(const std::string& target, const std::string& fields = "") {
    return "GET " + target + " HTTP/1.1\r\nHost: x\r\n" + fields + "\r\n";
  }
  /// Runs on the loop's thread, and waits for it.
  void onLoop(const std::function<void()>& work) {
    std::promise<void> done;
    loop.post([&] {
      work();
      done.set_value();
    });
    done.get_future().wait();
  }

  Loop loop;
  Router router;
  ServerOptions options;
  std::function<void(Server&)> configure;
  std::unique_ptr<Server> server;
};

/// Something that another thread brings about.
class Event {
 public:
  void set() {
    const std::lock_guard lock(mutex_);
    set_ = true;
    changed_.notify_all();
  }
  [[nodiscard]] bool wait(std::chrono::milliseconds most = 15s) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, most, [this] { return set_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool set_ = false;
};

}  // namespace serving_test
