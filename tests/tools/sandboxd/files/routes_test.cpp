// The routes over a real server: what clients send and what they get.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <condition_variable>
#include <deque>
#include <future>
#include <mutex>
#include <string>

#include "../../serving/raw_client.hpp"
#include "core/answer.hpp"
#include "core/daemon.hpp"
#include "core/rooms.hpp"
#include "overlays/overlays.hpp"
#include "temp_folder.hpp"

namespace computesdk::sandboxd {
namespace {

using sandboxd_test::TempFolder;

struct Answer {
  int status = 0;
  std::string text;
  rapidjson::Document json;
  std::string error() const { return json.IsObject() && json.HasMember("error") ? json["error"].GetString() : ""; }
};

// Hears what a client that subscribed to a channel would.
class Listener final : public Connection {
 public:
  void sendText(const std::shared_ptr<const std::string>& text) override {
    const std::lock_guard lock(mutex_);
    heard_.push_back(*text);
    changed_.notify_all();
  }
  [[nodiscard]] std::size_t queued() const override { return 0; }
  [[nodiscard]] const std::string& tokenId() const override { return none_; }
  void close(int, std::string_view) override {}
  // The next message; "" at the deadline.
  std::string next() {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_for(lock, std::chrono::seconds(20), [this] { return !heard_.empty(); })) return "";
    std::string message = heard_.front();
    heard_.pop_front();
    return message;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::string> heard_;
  const std::string none_;
};

class FileRoutes : public testing::Test {
 protected:
  void SetUp() override {
    folder.folder("work");
    Config config;
    config.listen = "127.0.0.1";
    config.port = 0;
    config.workingDirectory = folder.path("work");
    config.subdomain = "main";
    Limits limits;
    limits.body = 1U << 20U;
    daemon = std::make_unique<Daemon>(config, Environment{}, limits);
    const auto opened = daemon->open({addFileRoutes, addEnvRoutes, addWatcherRoutes, addOverlayRoutes});
    ASSERT_TRUE(opened) << opened.error().what;
  }

  Answer ask(const std::string& method, const std::string& target, const std::string& body = "") {
    serving_test::RawClient client(daemon->port());
    const std::string length = body.empty() ? "" : "Content-Length: " + std::to_string(body.size()) + "\r\n";
    client.send(method + " " + target + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + length + "\r\n" + body);
    const std::string raw = method == "HEAD" ? client.rest() : client.answer();
    Answer answer;
    answer.status = serving_test::statusOf(raw);
    answer.text = serving_test::bodyOf(raw);
    auto json = parseJson(answer.text);
    if (json) answer.json = std::move(*json);
    EXPECT_TRUE(json || answer.status == 204 || method == "HEAD") << target << ": " << answer.text;
    return answer;
  }
  // A file that is there all at once, however slow the machine.
  void place(const std::string& relative, const std::string& content) const {
    folder.write("staging", content);
    std::filesystem::rename(folder.path("staging"), folder.path(relative));
  }
  std::shared_ptr<Listener> listen(const std::string& channel) {
    const auto listener = std::make_shared<Listener>();
    std::promise<void> done;
    daemon->main().loop().post([&] {
      Hub& hub = daemon->main().hub();
      hub.attach(listener);
      hub.receive(*listener, {"subscribe", channel, "{}"});
      done.set_value();
    });
    done.get_future().wait();
    return listener;
  }

  TempFolder folder;
  std::unique_ptr<Daemon> daemon;
};

TEST_F(FileRoutes, WriteReadAndDelete) {
  const Answer written = ask("POST", "/files", R"({"path":"sub/a b.txt","content":"h\u00e9llo"})");
  EXPECT_EQ(written.status, 201);
  EXPECT_EQ(written.json["data"]["file"]["size"].GetInt(), 6);
  EXPECT_EQ(ask("POST", "/files", R"({"path":"sub/a b.txt","content":"h\u00e9llo"})").status, 200);
  for (const std::string& path : {std::string("sub/a%20b.txt"), std::string("sub%2Fa%20b.txt"),
                                  folder.path("work/sub/a%20b.txt"), folder.path("work/sub/a%20b.txt").substr(1)}) {
    const Answer read = ask("GET", "/files/" + path + "?content=true");
    EXPECT_EQ(read.status, 200) << path;
    EXPECT_STREQ(read.json["data"]["content"].GetString(), "h\xc3\xa9llo");
    EXPECT_EQ(ask("HEAD", "/files/" + path).status, 200);
  }
  EXPECT_FALSE(ask("GET", "/files/sub%2Fa%20b.txt").json["data"].HasMember("content"));
  EXPECT_EQ(ask("DELETE", "/files/" + folder.path("work/sub/a%20b.txt").substr(1)).status, 404);  // not guessed
  EXPECT_EQ(ask("DELETE", "/files/sub/a%20b.txt").status, 204);
  const Answer gone = ask("GET", "/files/sub/a%20b.txt?content=true");
  EXPECT_EQ(gone.status, 404);
  EXPECT_EQ(gone.error(), "File not found: " + folder.path("work/sub/a b.txt"));
  EXPECT_EQ(ask("HEAD", "/files/sub/a%20b.txt").status, 404);
  EXPECT_EQ(ask("DELETE", "/files/sub").status, 204);
}

TEST_F(FileRoutes, ListsFolders) {
  folder.folder("work/d");
  folder.write("work/d/f", "x");
  const Answer listed = ask("GET", "/files?path=d");
  EXPECT_EQ(listed.status, 200);
  EXPECT_STREQ(listed.json["data"]["path"].GetString(), "d");
  EXPECT_STREQ(listed.json["data"]["files"][0]["path"].GetString(), "d/f");
  EXPECT_STREQ(ask("GET", "/files").json["data"]["path"].GetString(), "/");
  EXPECT_EQ(ask("GET", "/files//").status, 200);
  const Answer missing = ask("GET", "/files?path=/no/such");
  EXPECT_EQ(missing.status, 404);
  EXPECT_EQ(missing.error(), "Directory not found: /no/such");
}

TEST_F(FileRoutes, NamesComeBackAsTheyWere) {
  for (const std::string& name : {std::string("100%.txt"), std::string("a#b?c"), std::string("q'\\\"\\\\"),
                                  std::string("\xf0\x9f\x98\x80 \xc3\xbc"), std::string("batch")}) {
    ASSERT_LT(ask("POST", "/files", R"({"path":")" + name + R"(","content":"x"})").status, 300);
    const auto plain = parseJson("\"" + name + "\"");
    const std::string encoded = serving::percentEncode(viewOf(*plain));
    EXPECT_STREQ(ask("GET", "/files/" + encoded + "?content=true").json["data"]["content"].GetString(), "x") << name;
    EXPECT_EQ(ask("DELETE", "/files/" + encoded).status, 204) << name;
  }
}

TEST_F(FileRoutes, BadInputIsToldAndChangesNothing) {
  folder.folder("work/d");
  EXPECT_EQ(ask("POST", "/files", "{}").status, 400);
  EXPECT_EQ(ask("POST", "/files", R"({"path":"f","content":5})").error(), "content must be a string");
  EXPECT_EQ(ask("POST", "/files", "nonsense").status, 400);
  EXPECT_EQ(ask("POST", "/files", R"({"path":"d","content":""})").status, 400);
  EXPECT_EQ(ask("GET", "/files/d?content=true").status, 400);
  EXPECT_EQ(ask("GET", "/files/%zz").status, 400);
  EXPECT_EQ(ask("DELETE", "/files/").status, 400);
  EXPECT_EQ(ask("DELETE", "/files//").status, 400);
  EXPECT_EQ(ask("POST", "/files", R"({"path":"f","content":")" + std::string(2 << 20, 'x') + "\"}").status, 413);
  EXPECT_FALSE(folder.has("work/f"));
}

TEST_F(FileRoutes, WhatNeverEndsIsNotRead) {
  ASSERT_EQ(mkfifo(folder.path("work/fifo").c_str(), 0600), 0);
  EXPECT_EQ(ask("GET", "/files/fifo?content=true").status, 400);
  EXPECT_EQ(ask("GET", "/files//dev/zero?content=true").status, 400);
  EXPECT_EQ(ask("GET", "/files/fifo").status, 200);
  EXPECT_EQ(ask("HEAD", "/files/fifo").status, 200);
  EXPECT_EQ(ask("POST", "/files", R"({"path":"fifo","content":"x"})").status, 400);
}

TEST_F(FileRoutes, LargeFilesAndBrokenTextArriveWhole) {
  std::string content;
  while (content.size() < (3U << 20U)) content += "\xe2\x82\xac line \"quoted\"\n";
  folder.write("work/big", content);
  EXPECT_EQ(ask("GET", "/files/big?content=true").json["data"]["content"].GetString(), content);
  std::string broken(300'000, 'a'), mended = broken;
  broken.append("\xff\xe2\x82");
  mended.append("\xef\xbf\xbd\xef\xbf\xbd");
  folder.write("work/broken", broken);
  EXPECT_EQ(ask("GET", "/files/broken?content=true").json["data"]["content"].GetString(), mended);
  folder.write("work/empty", "");
  EXPECT_STREQ(ask("GET", "/files/empty?content=true").json["data"]["content"].GetString(), "");
}

TEST_F(FileRoutes, Batches) {
  const Answer good = ask("POST", "/files/batch",
                          R"({"files":[{"path":"b","operation":"write","content":"1"},)"
                          R"({"path":"a","operation":"write","content":"2"}]})");
  EXPECT_EQ(good.status, 200);
  EXPECT_STREQ(good.json["data"]["results"][0]["path"].GetString(), "a");
  const Answer mixed = ask("POST", "/files/batch",
                           R"({"files":[{"path":"a","operation":"delete"},)"
                           R"({"path":"none","operation":"delete"}]})");
  EXPECT_EQ(mixed.status, 207);
  EXPECT_FALSE(mixed.json["data"]["results"][1]["success"].GetBool());
  EXPECT_FALSE(folder.has("work/a"));
  EXPECT_EQ(folder.read("work/b"), "1");
}

TEST_F(FileRoutes, EnvFiles) {
  EXPECT_EQ(ask("GET", "/env?file=.env").status, 404);
  EXPECT_EQ(ask("HEAD", "/env?file=.env").status, 404);
  EXPECT_EQ(ask("GET", "/env").status, 400);
  const Answer set = ask("POST", "/env?file=conf%2F.env", R"({"variables":{"A":"it's $5","B":"2"}})");
  EXPECT_EQ(set.status, 200);
  EXPECT_STREQ(set.json["status"].GetString(), "success");
  EXPECT_EQ(set.json["data"]["keys"].Size(), 2U);
  EXPECT_EQ(ask("HEAD", "/env?file=conf/.env").status, 200);
  EXPECT_STREQ(ask("GET", "/env?file=conf/.env").json["data"]["variables"]["A"].GetString(), "it's $5");
  const Answer removed = ask("DELETE", "/env?file=conf/.env", R"({"keys":["B","NONE"]})");
  EXPECT_EQ(removed.status, 200);
  EXPECT_EQ(removed.json["data"]["keys"].Size(), 1U);
  EXPECT_EQ(folder.read("work/conf/.env"), "A=\"it's \\$5\"\n");
  EXPECT_EQ(ask("POST", "/env?file=conf/.env", R"({"variables":{"a-b":"x"}})").status, 400);
  EXPECT_EQ(ask("POST", "/env?file=conf/.env", R"({"variables":{"C":1}})").status, 400);
  EXPECT_EQ(ask("DELETE", "/env?file=conf/.env", "{}").status, 400);
  EXPECT_EQ(ask("DELETE", "/env?file=none", R"({"keys":["A"]})").status, 404);
  EXPECT_EQ(folder.read("work/conf/.env"), "A=\"it's \\$5\"\n");
}

TEST_F(FileRoutes, WatchersTellOnTheirChannel) {
  folder.folder("work/src");
  const Answer made =
      ask("POST", "/watchers", R"({"path":"src","includeContent":true,"ignored":["*.log"],"encoding":"base64"})");
  ASSERT_EQ(made.status, 201);
  const auto& data = made.json["data"];
  const std::string id = data["id"].GetString(), channel = data["channel"].GetString();
  EXPECT_EQ(channel, "watcher:" + id);
  EXPECT_STREQ(data["status"].GetString(), "active");
  EXPECT_EQ(data["ignored"].Size(), 1U);
  EXPECT_TRUE(std::string(data["ws_url"].GetString()).starts_with("ws://"));
  const auto listener = listen(channel);
  folder.write("work/src/a.log", "x");
  place("work/src/f", "hello");
  EXPECT_EQ(listener->next(),
            messageText(channel, "file:changed",
                        R"({"event":"add","path":"src/f","content":"aGVsbG8=","encoding":"base64"})"));
  ASSERT_EQ(ask("DELETE", "/files/src/f").status, 204);
  EXPECT_EQ(listener->next(), messageText(channel, "file:changed", R"({"event":"unlink","path":"src/f"})"));
  EXPECT_EQ(ask("GET", "/watchers").json["data"]["watchers"].Size(), 1U);
  EXPECT_EQ(ask("GET", "/watchers/" + id).json["data"]["id"].GetString(), id);
  EXPECT_EQ(ask("DELETE", "/watchers/" + id).status, 204);
  EXPECT_EQ(listener->next(), messageText(channel, "watcher:destroyed", "{\"id\":\"" + id + "\"}"));
  EXPECT_EQ(ask("DELETE", "/watchers/" + id).status, 404);
  EXPECT_EQ(ask("GET", "/watchers/" + id).status, 404);
  EXPECT_EQ(ask("GET", "/watchers").json["data"]["watchers"].Size(), 0U);
}

TEST_F(FileRoutes, ABurstOfContentArrivesWhole) {
  const Answer made = ask("POST", "/watchers", R"({"path":".","includeContent":true})");
  ASSERT_EQ(made.status, 201);
  const auto listener = listen(made.json["data"]["channel"].GetString());
  for (int i = 10; i < 40; ++i) place("work/f" + std::to_string(i), std::string(300'000, 'x'));
  for (int i = 10; i < 40; ++i) {
    const std::string message = listener->next();
    EXPECT_NE(message.find("\"add\",\"path\":\"./f" + std::to_string(i) + "\""), std::string::npos);
    EXPECT_GT(message.size(), 300'000U);
  }
}

TEST_F(FileRoutes, WatchersThatCannotBe) {
  EXPECT_EQ(ask("POST", "/watchers", R"({"path":"none"})").status, 404);
  EXPECT_EQ(ask("POST", "/watchers", "{}").status, 400);
  EXPECT_EQ(ask("POST", "/watchers", R"({"path":".","encoding":"hex"})").status, 400);
  EXPECT_EQ(ask("POST", "/watchers", R"({"path":".","ignored":[""]})").status, 400);
  folder.write("work/f", "x");
  int made = 0;
  Answer last;
  do last = ask("POST", "/watchers", R"({"path":"f"})");
  while (last.status == 201 && ++made < 1000);
  EXPECT_EQ(last.status, 429) << last.text;  // ours, or the kernel's of instances a user
  EXPECT_LE(made, 128);
  EXPECT_GT(made, 0);
}

TEST_F(FileRoutes, Overlays) {
  folder.folder("template/node_modules/x");
  folder.write("template/node_modules/x/f", "x");
  folder.write("template/a", "x");
  const Answer made = ask("POST", "/filesystem/overlays",
                          R"({"source":")" + folder.path("template") + R"(","target":"p","waitForCompletion":true})");
  ASSERT_EQ(made.status, 201);
  EXPECT_TRUE(folder.has("work/p/a"));
  const std::string id = made.json["id"].GetString();
  std::promise<void> done;
  daemon->main().find<computesdk::sandboxd::Overlays>()->whenDone(id, [&](const OverlayInfo&) { done.set_value(); });
  done.get_future().wait();
  EXPECT_STREQ(ask("GET", "/filesystem/overlays/" + id).json["copy_status"].GetString(), "complete");
  EXPECT_EQ(ask("GET", "/filesystem/overlays").json["overlays"].Size(), 1U);
  EXPECT_EQ(ask("DELETE", "/filesystem/overlays/" + id).status, 204);
  EXPECT_EQ(ask("GET", "/filesystem/overlays/" + id).status, 404);
  EXPECT_EQ(ask("DELETE", "/filesystem/overlays/" + id).status, 404);
  EXPECT_EQ(ask("POST", "/filesystem/overlays", R"({"source":"/no/such","target":"p"})").status, 400);
}

}  // namespace
}  // namespace computesdk::sandboxd
