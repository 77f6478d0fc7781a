// Frames of both encodings, and the hub behind them.
#include <gtest/gtest.h>

#include <functional>
#include <future>

#include <computesdk/serving/loop.hpp>
#include "core/answer.hpp"
#include "core/client.hpp"
#include "socket/binary_frame.hpp"
#include "socket/hub.hpp"

namespace computesdk::sandboxd {
namespace {

using testing::binaryFrame;
using testing::keyValues;

TEST(BinaryFrame, IsReadAsItsJsonForm) {
  const auto message = decodeBinary(
      binaryFrame(3, "", "terminal:resize", keyValues({{"terminal_id", "term_1"}, {"cols", "#80"}, {"part", "#0.5"}})));
  ASSERT_TRUE(message);
  EXPECT_EQ(message->type, "terminal:resize");
  EXPECT_EQ(message->data, R"({"terminal_id":"term_1","cols":80,"part":0.5})");
}

TEST(BinaryFrame, SubscriptionsHaveKindsOfTheirOwn) {
  const auto subscribe = decodeBinary(binaryFrame(1, "terminal:x", "subscribe", keyValues({})));
  ASSERT_TRUE(subscribe);
  EXPECT_EQ(subscribe->type, "subscribe");
  EXPECT_EQ(subscribe->channel, "terminal:x");
  EXPECT_EQ(subscribe->data, "{}");
  EXPECT_EQ(decodeBinary(binaryFrame(2, "c", "anything", ""))->type, "unsubscribe");
  EXPECT_EQ(decodeBinary(binaryFrame(3, "c", "t", ""))->data, "{}") << "no data is an empty object";
  EXPECT_EQ(decodeBinary(binaryFrame(3, "c", "t", "text"))->data, R"("text")");
}

TEST(BinaryFrame, EveryCutIsRefused) {
  const auto whole = binaryFrame(3, "chan", "type", keyValues({{"a", "b"}}));
  for (std::size_t size = 0; size < whole.size(); ++size) EXPECT_FALSE(decodeBinary(whole.substr(0, size))) << size;
  EXPECT_TRUE(decodeBinary(whole));
  EXPECT_FALSE(decodeBinary(whole + "x"));
  EXPECT_FALSE(decodeBinary(binaryFrame(0, "", "t", "")));
  EXPECT_FALSE(decodeBinary(binaryFrame(6, "", "t", "")));
  EXPECT_FALSE(decodeBinary(binaryFrame(3, "\xff", "t", "")));
  EXPECT_FALSE(decodeBinary(binaryFrame(3, "", "\xff", "")));
}

TEST(TextFrame, NeedsATypeAndNothingMore) {
  EXPECT_EQ(decodeText(R"({"type":"x"})")->data, "{}");
  EXPECT_EQ(decodeText(R"({"type":"x","channel":"c","data":{"a":[1]}})")->data, R"({"a":[1]})");
  EXPECT_EQ(decodeText(R"({"type":"x","data":null})")->data, "{}");
  for (const auto* bad :
       {"", "[]", "{}", "1", R"({"type":1})", R"({"type":"x","channel":1})", "{\"type\":\"x\"", "nope"}) {
    EXPECT_FALSE(decodeText(bad)) << bad;
  }
}

class FakeConnection final : public Connection {
 public:
  void sendText(const std::shared_ptr<const std::string>& text) override { sent.push_back(*text); }
  [[nodiscard]] std::size_t queued() const override { return waiting; }
  [[nodiscard]] const std::string& tokenId() const override { return token; }
  void close(int code, std::string_view) override { closed = code; }

  std::vector<std::string> sent;
  std::size_t waiting = 0;
  std::string token;
  int closed = 0;
};

class HubTest : public ::testing::Test {
 protected:
  HubTest() { loop_.start(); }
  ~HubTest() override { loop_.stop(); }

  /// Runs on the loop's thread, as everything of a hub.
  void onLoop(const std::function<void()>& work) {
    std::promise<void> done;
    loop_.post([&] {
      work();
      done.set_value();
    });
    done.get_future().get();
  }
  void tell(FakeConnection& connection, const std::string& type, const std::string& channel) {
    hub_.receive(connection, {type, channel, "{}"});
  }

  serving::Loop loop_;
  Hub hub_{loop_};
  std::shared_ptr<FakeConnection> one_ = std::make_shared<FakeConnection>();
  std::shared_ptr<FakeConnection> two_ = std::make_shared<FakeConnection>();
};

TEST_F(HubTest, PublishesToSubscribersAndBroadcastsToAll) {
  onLoop([&] {
    hub_.attach(one_);
    hub_.attach(two_);
    tell(*one_, "subscribe", "c");
    tell(*one_, "subscribe", "c");
    tell(*two_, "unsubscribe", "c");
    hub_.publish("c", "t", R"({"a":1})");
    hub_.broadcast("all", "{}");
    tell(*one_, "unsubscribe", "c");
    hub_.publish("c", "t", "{}");
  });
  EXPECT_EQ(one_->sent,
            (std::vector<std::string>{R"({"type":"t","channel":"c","data":{"a":1}})", R"({"type":"all","data":{}})"}));
  EXPECT_EQ(two_->sent.size(), 1U);
}

TEST_F(HubTest, AReplayComesBeforeAnythingElseAndOnce) {
  onLoop([&] {
    hub_.observeSubscriptions("x:",
                              [](const std::string& channel, Connection& who) { who.send(channel, "replay", "{}"); });
    hub_.attach(one_);
    tell(*one_, "subscribe", "x:1");
    hub_.publish("x:1", "live", "{}");
    tell(*one_, "subscribe", "x:1");
    tell(*one_, "subscribe", "y:1");
  });
  ASSERT_EQ(one_->sent.size(), 2U);
  EXPECT_NE(one_->sent[0].find("replay"), std::string::npos);
}

TEST_F(HubTest, AChannelIsCongestedWhenEveryListenerIsSlow) {
  onLoop([&] {
    hub_.attach(one_);
    hub_.attach(two_);
    EXPECT_FALSE(hub_.congested("c")) << "nobody listens";
    tell(*one_, "subscribe", "c");
    one_->waiting = 2U << 20U;
    EXPECT_TRUE(hub_.congested("c"));
    tell(*two_, "subscribe", "c");
    EXPECT_FALSE(hub_.congested("c")) << "one keeps up";
    hub_.detach(*two_);
    EXPECT_TRUE(hub_.congested("c"));
    hub_.detach(*one_);
    EXPECT_FALSE(hub_.subscribed("c"));
  });
}

TEST_F(HubTest, ARevokedTokenClosesItsConnections) {
  one_->token = "s1";
  onLoop([&] {
    hub_.attach(one_);
    hub_.attach(two_);
    hub_.closeConnections("s1");
  });
  EXPECT_EQ(one_->closed, 1008);
  EXPECT_EQ(two_->closed, 0);
}

TEST_F(HubTest, AClientCannotSubscribeWithoutEnd) {
  onLoop([&] {
    hub_.attach(one_);
    for (int i = 0; i < 6000; ++i) tell(*one_, "subscribe", std::to_string(i));
    EXPECT_TRUE(hub_.subscribed("1"));
    EXPECT_FALSE(hub_.subscribed("5999"));
    tell(*one_, "subscribe", std::string(2000, 'x'));
    EXPECT_FALSE(hub_.subscribed(std::string(2000, 'x')));
  });
}

}  // namespace
}  // namespace computesdk::sandboxd
