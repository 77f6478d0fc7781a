#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>

#include "tools/sandboxd/servers/daemon_fixture.hpp"

namespace computesdk::sandboxd {
namespace {

using testing::HasSubstr;
using testing::MatchesRegex;

class ChildRoutes : public DaemonTest {
 protected:
  std::string outputOf(const std::string& base, const std::string& command) const {
    return ask("POST", base + "/run/command", R"({"command":")" + command + "\"}").data()["stdout"].GetString();
  }
};

TEST_F(ChildRoutes, InfoCountsSandboxes) {
  start({}, "http://gw.example/s/id");
  const Answer info = ask("GET", "/info");
  EXPECT_TRUE(info.data()["auth_enabled"].GetBool());
  EXPECT_STREQ(info.data()["main_subdomain"].GetString(), "main-box");
  EXPECT_EQ(info.data()["sandbox_count"].GetInt(), 1);
  EXPECT_STREQ(info.data()["sandbox_url"].GetString(), "http://gw.example/s/id");
  EXPECT_STREQ(info.data()["version"].GetString(), "1.2.3");
  ASSERT_EQ(ask("POST", "/sandboxes", "{}").status, 200);
  EXPECT_EQ(ask("GET", "/info").data()["sandbox_count"].GetInt(), 2);
}

TEST_F(ChildRoutes, AChildIsABaseOfItsOwn) {
  start({}, "http://gw.example/s/id");
  Socket socket(port(), "/ws", "access");
  const Answer made = ask("POST", "/sandboxes", "{}");
  ASSERT_EQ(made.status, 200) << made.body;
  const std::string name = made.json["subdomain"].GetString(), directory = made.json["directory"].GetString();
  EXPECT_THAT(name, MatchesRegex("[a-z0-9-]+"));
  EXPECT_FALSE(made.json["is_main"].GetBool());
  EXPECT_EQ(made.json["url"].GetString(), "http://gw.example/s/id/s/" + name);
  EXPECT_TRUE(std::filesystem::is_directory(directory));
  const auto created = socket.next("sandbox.created");
  ASSERT_TRUE(created);
  EXPECT_EQ(created->channel, "");
  EXPECT_EQ(created->data()["subdomain"].GetString(), name);
  EXPECT_EQ(created->data()["url"].GetString(), "http://gw.example/s/id/s/" + name);

  EXPECT_EQ(outputOf("/s/" + name, "pwd"), directory + "\n");
  EXPECT_EQ(outputOf("", "pwd"), folder_ + "\n");
  EXPECT_EQ(ask("GET", "/s/" + name + "/info", "", "").status, 401);
  EXPECT_EQ(Socket(port(), "/s/" + name + "/ws", "access").status(), 101);

  const Answer listed = ask("GET", "/sandboxes");
  ASSERT_EQ(listed.json["sandboxes"].Size(), 2U);
  EXPECT_TRUE(listed.json["sandboxes"][0]["is_main"].GetBool());
  EXPECT_STREQ(listed.json["sandboxes"][0]["subdomain"].GetString(), "main-box");
  EXPECT_EQ(listed.json["sandboxes"][0]["directory"].GetString(), folder_);
  EXPECT_EQ(ask("GET", "/sandboxes/" + name).json["directory"].GetString(), directory);

  EXPECT_EQ(ask("DELETE", "/sandboxes/" + name + "?delete_files=true").status, 204);
  const auto deleted = socket.next("sandbox.deleted");
  ASSERT_TRUE(deleted);
  EXPECT_EQ(deleted->data()["subdomain"].GetString(), name);
  EXPECT_FALSE(std::filesystem::exists(directory));
  EXPECT_EQ(ask("GET", "/sandboxes/" + name).status, 404);
  EXPECT_EQ(ask("DELETE", "/sandboxes/" + name).status, 404);
  EXPECT_EQ(ask("GET", "/s/" + name + "/health").status, 404);
}

TEST_F(ChildRoutes, TokensAreThoseOfTheMainSandbox) {
  start({}, "http://gw.example");
  const std::string name = ask("POST", "/sandboxes").json["subdomain"].GetString();
  const Answer token = ask("POST", "/s/" + name + "/auth/session_tokens");
  ASSERT_EQ(token.status, 200);
  EXPECT_EQ(ask("GET", "/info", "", bearer(token.json["token"].GetString())).status, 200);
  Socket socket(port(), "/s/" + name + "/ws", token.json["token"].GetString());
  ASSERT_EQ(socket.status(), 101);
  EXPECT_EQ(ask("DELETE", std::string("/auth/session_tokens/") + token.json["id"].GetString()).status, 204);
  EXPECT_FALSE(socket.next()) << "closed";
  const std::string link = ask("POST", "/s/" + name + "/auth/magic-links").data()["magic_url"].GetString();
  const Answer followed = ask("GET", link.substr(std::string("http://gw.example").size()), "", "");
  EXPECT_EQ(followed.header("Location"), "/s/" + name + "/play/");
  EXPECT_THAT(followed.header("Set-Cookie"), HasSubstr("Path=/s/" + name + ";"));
}

TEST_F(ChildRoutes, DirectoriesOverlaysAndServers) {
  start();
  std::filesystem::create_directory(folder_ + "/template");
  std::ofstream(folder_ + "/template/page") << "text";
  const Answer made = ask("POST", "/sandboxes",
                          R"({"directory":"kids/one","overlays":[{"source":")" + folder_ +
                              R"(/template","target":"app"}],"servers":[)" + R"({"slug":"web","start":"exec )" +
                              LISTENER + R"(","path":"app"}]})");
  ASSERT_EQ(made.status, 200) << made.body;
  const std::string name = made.json["subdomain"].GetString();
  EXPECT_EQ(made.json["directory"].GetString(), folder_ + "/kids/one");
  EXPECT_EQ(made.json["overlays"].Size(), 1U);
  EXPECT_STREQ(made.json["servers"][0]["slug"].GetString(), "web");
  EXPECT_TRUE(std::filesystem::exists(folder_ + "/kids/one/app/page"));
  EXPECT_EQ(ask("GET", "/servers").data()["servers"].Size(), 0U) << "its own servers";
  ASSERT_TRUE(eventually([&] { return ask("GET", "/s/" + name + "/ready").json["ready"].GetBool(); }));
  const int pid = ask("GET", "/s/" + name + "/servers/web").server()["pid"].GetInt();
  EXPECT_EQ(ask("DELETE", "/sandboxes/" + name).status, 204);
  EXPECT_NE(::kill(pid, 0), 0) << "its servers end with it";
  EXPECT_TRUE(std::filesystem::exists(folder_ + "/kids/one/app/page")) << "files stay unless asked";
}

TEST_F(ChildRoutes, WhatFailsLeavesNothing) {
  start();
  std::ofstream(folder_ + "/file") << "x";
  for (const std::string& wrong :
       {std::string(R"({"directory":7})"), std::string(R"({"directory":""})"), std::string(R"({"directory":"file"})"),
        std::string(R"({"directory":"new/a","overlays":[{"source":"/nowhere-at-all","target":"x"}]})"),
        std::string(R"({"directory":"new/b","servers":[{"slug":"a b","start":"x"}]})"),
        std::string(R"({"directory":"new/c","servers":{}})"), std::string("[]")}) {
    EXPECT_EQ(ask("POST", "/sandboxes", wrong).status, 400) << wrong;
  }
  EXPECT_FALSE(std::filesystem::exists(folder_ + "/new"));
  EXPECT_EQ(ask("GET", "/sandboxes").json["sandboxes"].Size(), 1U);
  EXPECT_EQ(ask("DELETE", "/sandboxes/main-box?delete_files=true").status, 400);
  EXPECT_EQ(ask("DELETE", "/sandboxes/unknown").status, 404);
  EXPECT_EQ(ask("GET", "/sandboxes/unknown").status, 404);
  EXPECT_TRUE(std::filesystem::exists(folder_ + "/file"));
}

TEST_F(ChildRoutes, FilesOfOthersAreNotDeleted) {
  start();
  const std::string outer = ask("POST", "/sandboxes", R"({"directory":"kids"})").json["subdomain"].GetString();
  const std::string inner = ask("POST", "/sandboxes", R"({"directory":"kids/inner"})").json["subdomain"].GetString();
  const std::string same = ask("POST", "/sandboxes", R"({"directory":"."})").json["subdomain"].GetString();
  EXPECT_EQ(ask("DELETE", "/sandboxes/" + outer + "?delete_files=true").status, 409);
  EXPECT_EQ(ask("DELETE", "/sandboxes/" + same + "?delete_files=true").status, 409) << "that of the main sandbox";
  EXPECT_EQ(ask("DELETE", "/sandboxes/" + outer + "?delete_files=maybe").status, 400);
  EXPECT_EQ(ask("DELETE", "/sandboxes/" + same).status, 204);
  EXPECT_EQ(ask("DELETE", "/sandboxes/" + inner + "?delete_files=true").status, 204);
  EXPECT_EQ(ask("DELETE", "/sandboxes/" + outer + "?delete_files=true").status, 204);
  EXPECT_FALSE(std::filesystem::exists(folder_ + "/kids"));
  EXPECT_TRUE(std::filesystem::exists(folder_));
}

}  // namespace
}  // namespace computesdk::sandboxd
