#include <gtest/gtest.h>

#include "daemon/json.hpp"
#include "daemon/message_socket.hpp"

#include <atomic>
#include <condition_variable>
#include <future>
#include <mutex>
#include <optional>
#include <vector>

// The WebSocket of a sandbox over connections of the test's own.
namespace computesdk::detail {
namespace {

using namespace std::chrono_literals;

/// The other end: what came, and the way to send or to break.
class Peer {
 public:
  class End final : public Socket {
   public:
    explicit End(Peer& peer) : peer_(peer) {}
    bool send(std::string_view text) override {
      std::lock_guard lock(peer_.mutex_);
      peer_.received_.emplace_back(text);
      peer_.changed_.notify_all();
      return true;
    }
    void consumed(std::size_t bytes) override { peer_.consumed_ += bytes; }
    void close() noexcept override {}

   private:
    Peer& peer_;
  };

  MessageSocket::Open opener() {
    return [this](SocketEvents events, const std::stop_token&) -> Result<std::unique_ptr<Socket>> {
      std::lock_guard lock(mutex_);
      ++opened_;
      changed_.notify_all();
      if (refuse_) {
        ErrorInfo error;
        error.why = "refused";
        return error;
      }
      events_ = std::move(events);
      return std::unique_ptr<Socket>(std::make_unique<End>(*this));
    };
  }

  void send(std::string_view text) {
    SocketEvents events = current();
    events.onText(text);
  }
  void cut() { current().onClosed("cut"); }
  void refuse(bool on) {
    std::lock_guard lock(mutex_);
    refuse_ = on;
  }
  bool waitFor(std::size_t messages) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, 20s, [&] { return received_.size() >= messages; });
  }
  std::vector<std::string> received() {
    std::lock_guard lock(mutex_);
    return received_;
  }
  int opened() {
    std::lock_guard lock(mutex_);
    return opened_;
  }
  std::atomic<std::size_t> consumed_{0};

 private:
  SocketEvents current() {
    std::lock_guard lock(mutex_);
    return events_;
  }
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> received_;
  SocketEvents events_;
  int opened_ = 0;
  bool refuse_ = false;
};

struct MessageSocketTest : testing::Test {
  Peer peer;
  std::promise<std::string> warned;
  MessageSocket socket{peer.opener(), peer.opener(), [this](std::string text) { warned.set_value(std::move(text)); },
                       1ms};
};

TEST_F(MessageSocketTest, OpensWithTheFirstSubscriptionAndHandsMessagesOut) {
  EXPECT_EQ(peer.opened(), 0);
  std::promise<std::string> got;
  auto id = socket.subscribe(
      "a",
      [&](std::string_view type, const JsonView& data) { got.set_value(std::string(type) + " " + data.textOr("x")); },
      {});
  ASSERT_TRUE(id);
  EXPECT_EQ(peer.received(), std::vector<std::string>{R"({"type":"subscribe","channel":"a"})"});
  peer.send(R"({"type":"t","channel":"b","data":{"x":"no"}})");
  peer.send("no json");
  peer.send(R"({"type":"t","channel":"a","data":{"x":"yes"}})");
  EXPECT_EQ(got.get_future().get(), "t yes");
  ASSERT_TRUE(socket.subscribe("a", [](std::string_view, const JsonView&) {}, {}));
  EXPECT_EQ(peer.received().size(), 1u);  // the channel is ours already
  EXPECT_EQ(peer.opened(), 1);
}

TEST_F(MessageSocketTest, ComesBackWithItsSubscriptions) {
  std::promise<void> got;
  ASSERT_TRUE(socket.subscribe("a", [&](std::string_view, const JsonView&) { got.set_value(); }, {}));
  peer.cut();
  ASSERT_TRUE(peer.waitFor(2));
  EXPECT_EQ(peer.opened(), 2);
  EXPECT_EQ(peer.received()[1], R"({"type":"subscribe","channel":"a"})");
  peer.send(R"({"type":"t","channel":"a"})");
  EXPECT_EQ(got.get_future().wait_for(20s), std::future_status::ready);
}

TEST_F(MessageSocketTest, GivesUpAfterFiveAttemptsAndSaysSo) {
  std::promise<void> lost;
  ASSERT_TRUE(socket.subscribe("a",
                               [&](std::string_view type, const JsonView&) {
                                 if (type == MessageSocket::kLost) lost.set_value();
                               },
                               {}));
  peer.refuse(true);
  peer.cut();
  EXPECT_EQ(lost.get_future().wait_for(20s), std::future_status::ready);
  EXPECT_EQ(peer.opened(), 6);
  EXPECT_NE(warned.get_future().get().find("refused"), std::string::npos);
}

TEST_F(MessageSocketTest, NoHandlerRunsAfterUnsubscribe) {
  std::promise<void> inside;
  std::promise<void> go;
  std::atomic<bool> left{false};
  auto id = socket.subscribe("a",
                             [&](std::string_view, const JsonView&) {
                               inside.set_value();
                               go.get_future().wait();
                               left = true;
                             },
                             {});
  ASSERT_TRUE(id);
  peer.send(R"({"type":"t","channel":"a"})");
  inside.get_future().wait();
  auto ended = std::async(std::launch::async, [&] { socket.unsubscribe(*id); });
  go.set_value();
  ended.wait();
  EXPECT_TRUE(left);
  ASSERT_TRUE(peer.waitFor(2));
  EXPECT_EQ(peer.received()[1], R"({"type":"unsubscribe","channel":"a"})");
}

TEST_F(MessageSocketTest, AHandlerMayUnsubscribeItselfAndThrow) {
  std::uint64_t own = 0;
  std::promise<void> ready;
  auto begin = ready.get_future().share();
  auto id = socket.subscribe("a",
                             [&](std::string_view, const JsonView&) {
                               begin.wait();
                               socket.unsubscribe(own);
                               throw std::runtime_error("mine");
                             },
                             {});
  ASSERT_TRUE(id);
  own = *id;
  ready.set_value();
  peer.send(R"({"type":"t","channel":"a"})");
  EXPECT_NE(warned.get_future().get().find("mine"), std::string::npos);
}

TEST_F(MessageSocketTest, AFirstConnectionThatFailsIsTold) {
  peer.refuse(true);
  auto id = socket.subscribe("a", [](std::string_view, const JsonView&) {}, {});
  ASSERT_FALSE(id);
  EXPECT_EQ(id.error().why, "refused");
  peer.refuse(false);
  EXPECT_TRUE(socket.send("{}", {}));
  EXPECT_EQ(peer.received(), std::vector<std::string>{"{}"});
  socket.close();
  EXPECT_FALSE(socket.send("{}", {}));
}

}  // namespace
}  // namespace computesdk::detail
