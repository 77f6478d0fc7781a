#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <rapidjson/document.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>

#include "program.hpp"

// Sandboxes that stay: create, ensure, find, ls, inspect, url, extend, rm.
namespace computesdk::cli::test {
namespace {

class LocalSandboxes : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string reason;
    if (!localWorks(world, reason)) GTEST_SKIP() << reason;
  }
  void TearDown() override { world.run({"rm", "--all"}); }
  World world{false};
};

rapidjson::Document parse(const std::string& text) {
  rapidjson::Document document;
  document.Parse<rapidjson::kParseIterativeFlag>(text.c_str());
  EXPECT_FALSE(document.HasParseError()) << text;
  return document;
}

TEST_F(LocalSandboxes, LiveUntilTheyAreRemoved) {
  Ended made = world.run({"create", "--ttl", "10m", "--memory", "64M", "--metadata", "job=42", "--net", "none"});
  ASSERT_EQ(made.code, 0) << made.err;
  std::string id = made.out.substr(0, made.out.size() - 1);
  EXPECT_TRUE(id.starts_with("local-")) << id;
  EXPECT_EQ(world.run({"ls", "-q", "--metadata", "job=42"}).out, id + "\n");
  EXPECT_EQ(world.run({"ls", "-q", "--metadata", "job=43"}).out, "");
  auto info = parse(world.run({"inspect", id, "--json"}).out);
  EXPECT_STREQ(info["network"].GetString(), "none");
  EXPECT_EQ(info["memory_bytes"].GetInt64(), 64 << 20);
  EXPECT_STREQ(info["metadata"]["job"].GetString(), "42");
  EXPECT_STREQ(info["placement"].GetString(), "in-process");
  std::string before = info["expires_at"].GetString();
  Ended extended = world.run({"extend", id, "2h"});
  EXPECT_EQ(extended.code, 0) << extended.err;
  EXPECT_GT(extended.out, before);
  EXPECT_EQ(world.run({"rm", id}).out, id + "\n");
  EXPECT_EQ(world.run({"inspect", id}).code, 4);
  EXPECT_EQ(world.run({"rm", id}).code, 4);
}

TEST_F(LocalSandboxes, AreFoundByName) {
  EXPECT_EQ(world.run({"find", "ci/build"}).code, 1);
  Ended made = world.run({"ensure", "ci/build", "--memory", "64M"});
  ASSERT_EQ(made.code, 0) << made.err;
  EXPECT_EQ(world.run({"ensure", "ci/build"}).out, made.out);
  EXPECT_EQ(world.run({"find", "ci/build"}).out, made.out);
  EXPECT_EQ(world.run({"exec", "ci/build", "--", "echo", "hi"}).out, "hi\n");
  EXPECT_NE(world.run({"ls"}).out.find("\nci/build  local-"), std::string::npos);
  EXPECT_EQ(world.run({"rm", "ci/build"}).code, 0);
  EXPECT_EQ(world.run({"find", "ci/build"}).code, 1);
}

TEST_F(LocalSandboxes, RunLeavesNothingUnlessItKeeps) {
  EXPECT_EQ(world.run({"run", "--name", "ci/gone", "--", "true"}).code, 0);
  EXPECT_EQ(world.run({"find", "ci/gone"}).code, 1);
  Ended kept = world.run({"run", "--keep", "--name", "ci/kept", "--", "sh", "-c", "echo 1 >file"});
  EXPECT_TRUE(kept.err.starts_with("sandbox local-")) << kept.err;
  EXPECT_EQ(world.run({"exec", "ci/kept", "--", "cat", "file"}).out, "1\n");
  Ended all = world.run({"rm", "--all"});
  EXPECT_EQ("sandbox " + all.out, kept.err);
  EXPECT_EQ(world.run({"ls", "--json"}).out, "[]\n");
}

/// What comes back from 127.0.0.1:port for one line; empty when nobody listens.
std::string ask(int port) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  std::string text;
  pollfd wait{fd, POLLIN, 0};
  char buffer[1024];
  ssize_t got;
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 &&
      send(fd, "GET / HTTP/1.0\r\n\r\n", 18, MSG_NOSIGNAL) == 18) {
    while (poll(&wait, 1, 5000) > 0 && (got = read(fd, buffer, sizeof buffer)) > 0) text.append(buffer, buffer + got);
  }
  close(fd);
  return text;
}

TEST_F(LocalSandboxes, APortHasAUrlThatOutlivesTheCommand) {
  std::string id = world.create();
  if (world.run({"exec", id, "--", "python3", "-c", ""}).code != 0) GTEST_SKIP() << "no python3 here";
  world.run({"fs", "write", id, "www/index.html"}, "hello");
  ASSERT_EQ(world.run({"exec", id, "-d", "--", "python3", "-m", "http.server", "-d", "www", "8000"}).code, 0);
  Ended url = world.run({"url", id, "8000"});
  std::string start = "http://127.0.0.1:";
  ASSERT_TRUE(url.out.starts_with(start)) << url.out << url.err;
  EXPECT_EQ(world.run({"url", id, "8000", "--protocol", "ws"}).out, "ws" + url.out.substr(4));
  EXPECT_EQ(world.run({"url", id, "8000", "--protocol", "https"}).code, 5);
  std::string answer;
  auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (answer.find("hello") == std::string::npos && std::chrono::steady_clock::now() < deadline) {
    answer = ask(std::stoi(url.out.substr(start.size())));
  }
  EXPECT_NE(answer.find("hello"), std::string::npos) << answer;
}

}  // namespace
}  // namespace computesdk::cli::test
