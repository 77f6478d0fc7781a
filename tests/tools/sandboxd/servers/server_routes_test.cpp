#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>

#include "tools/sandboxd/servers/daemon_fixture.hpp"

namespace computesdk::sandboxd {
namespace {

using testing::EndsWith;
using testing::HasSubstr;

class ServerRoutes : public DaemonTest {
 protected:
  Answer startServer(const std::string& slug, const std::string& command, const std::string& more = {}) const {
    return ask("POST", "/servers",
               R"({"slug":")" + slug + R"(","start":")" + command + "\"" + (more.empty() ? "" : "," + more) + "}");
  }
  Answer get(const std::string& slug) const { return ask("GET", "/servers/" + slug); }
  std::string statusOf(const std::string& slug) const { return get(slug).server()["status"].GetString(); }
  bool becomes(const std::string& slug, const std::string& status) const {
    return eventually([&] { return statusOf(slug) == status; });
  }
  std::string logsOf(const std::string& slug, const std::string& stream = "combined") const {
    return ask("GET", "/servers/" + slug + "/logs?stream=" + stream).data()["logs"].GetString();
  }
  void write(const std::string& name, const std::string& text) const { std::ofstream(folder_ + "/" + name) << text; }
  [[nodiscard]] int linesOf(const std::string& name) const {
    std::ifstream file(folder_ + "/" + name);
    int lines = 0;
    for (std::string line; std::getline(file, line);) ++lines;
    return lines;
  }
};

TEST_F(ServerRoutes, StartsFindsThePortAndStops) {
  start();
  const Answer started = startServer("web", LISTENER);
  ASSERT_EQ(started.status, 200) << started.body;
  EXPECT_STREQ(started.json["status"].GetString(), "success");
  EXPECT_STREQ(started.server()["slug"].GetString(), "web");
  EXPECT_STREQ(started.server()["start"].GetString(), LISTENER);
  EXPECT_STREQ(started.server()["command"].GetString(), LISTENER);
  EXPECT_EQ(started.server()["path"].GetString(), folder_);
  EXPECT_TRUE(started.server()["exit_code"].IsNull());
  EXPECT_EQ(started.server()["restart_delay"].GetInt64(), 1'000'000'000);
  EXPECT_EQ(started.server()["stop_timeout"].GetInt64(), 10'000'000'000);
  EXPECT_FALSE(started.server().HasMember("healthy"));

  ASSERT_TRUE(becomes("web", "ready"));
  const Answer ready = get("web");
  const int port = ready.server()["port"].GetInt();
  const int pid = ready.server()["pid"].GetInt();
  EXPECT_EQ(ready.server()["url"].GetString(), "http://127.0.0.1:" + std::to_string(port));
  EXPECT_TRUE(dial(static_cast<std::uint16_t>(port)));
  EXPECT_THAT(logsOf("web"), HasSubstr("listening on " + std::to_string(port)));
  EXPECT_EQ(ask("GET", "/servers").data()["servers"].Size(), 1U);

  EXPECT_EQ(startServer("web", LISTENER).status, 409) << "it lives";
  const Answer stopped = ask("POST", "/servers/web/stop");
  EXPECT_EQ(stopped.status, 200);
  EXPECT_STREQ(stopped.data()["slug"].GetString(), "web");
  EXPECT_NE(::kill(pid, 0), 0) << "gone when the answer comes";
  EXPECT_EQ(statusOf("web"), "stopped");
  EXPECT_FALSE(get("web").server().HasMember("pid"));
  EXPECT_FALSE(get("web").server().HasMember("url"));

  const Answer restarted = ask("POST", "/servers/web/restart");
  EXPECT_EQ(restarted.status, 200);
  EXPECT_NE(restarted.server()["pid"].GetInt(), pid);
  ASSERT_TRUE(becomes("web", "ready"));
  const int second = get("web").server()["pid"].GetInt();
  const Answer again = ask("POST", "/servers/web/restart");
  EXPECT_NE(again.server()["pid"].GetInt(), second);
  EXPECT_NE(::kill(second, 0), 0);

  EXPECT_EQ(ask("DELETE", "/servers/web").status, 204);
  EXPECT_EQ(get("web").status, 404);
  EXPECT_EQ(ask("DELETE", "/servers/web").status, 404);
}

TEST_F(ServerRoutes, TheFormOfTheFirstClient) {
  start();
  std::filesystem::create_directory(folder_ + "/app");
  write("app/.env", "A=file\nB='from file'\n");
  const Answer made = ask("POST", "/servers",
                          R"({"slug":"v1","command":"pwd; echo $A,$B,$FROM_DAEMON; exec sleep 600","path":"app",)"
                          R"("env_file":".env","environment":{"A":"inline"}})");
  ASSERT_EQ(made.status, 200) << made.body;
  EXPECT_STREQ(made.server()["original_path"].GetString(), "app");
  EXPECT_EQ(made.server()["path"].GetString(), folder_ + "/app");
  EXPECT_TRUE(eventually([&] { return logsOf("v1") == folder_ + "/app\ninline,from file,yes\n"; })) << logsOf("v1");
}

TEST_F(ServerRoutes, RefusesWhatMakesNoSense) {
  start();
  for (const char* wrong :
       {R"({"slug":"a/b","start":"x"})", R"({"slug":"","start":"x"})", R"({"slug":"..","start":"x"})",
        R"({"slug":"a"})", R"({"slug":"a","start":""})", R"({"slug":"a","start":"x","port":0})",
        R"({"slug":"a","start":"x","port":70000})", R"({"slug":"a","start":"x","port":"80"})",
        R"({"slug":"a","start":"x","restart_policy":"sometimes"})", R"({"slug":"a","start":"x","max_restarts":-1})",
        R"({"slug":"a","start":"x","path":"nowhere"})", R"({"slug":"a","start":"x","env_file":"nofile"})",
        R"({"slug":"a","start":"x","health_check":{"path":"no slash"}})",
        R"({"slug":"a","start":"x","health_check":1})", R"({"slug":"a","start":"x","depends_on":["unknown"]})",
        R"({"slug":"a","start":"x","overlay":{"source":"/nope-x","target":"t"}})",
        R"({"slug":"a","start":"x","environment":{"A=B":"c"}})", "[]", "nonsense"}) {
    const Answer refused = ask("POST", "/servers", wrong);
    EXPECT_EQ(refused.status, 400) << wrong << refused.body;
    EXPECT_TRUE(refused.json["error"].IsString()) << wrong;
  }
  EXPECT_EQ(ask("GET", "/servers").data()["servers"].Size(), 0U);
  for (const auto& [method, path] : {std::pair("GET", "/servers/x"), std::pair("POST", "/servers/x/stop"),
                                     std::pair("POST", "/servers/x/restart"), std::pair("GET", "/servers/x/logs")}) {
    EXPECT_EQ(ask(method, path).status, 404) << path;
  }
  EXPECT_EQ(ask("PATCH", "/servers/x/status", R"({"status":"ready"})").status, 404);
}

TEST_F(ServerRoutes, ExitsWithoutAPolicy) {
  start();
  startServer("good", "exit 0");
  startServer("bad", "echo out; echo err >&2; exit 7");
  ASSERT_TRUE(becomes("good", "stopped"));
  ASSERT_TRUE(becomes("bad", "failed"));
  EXPECT_EQ(get("good").server()["exit_code"].GetInt(), 0);
  EXPECT_EQ(get("bad").server()["exit_code"].GetInt(), 7);
  EXPECT_EQ(get("bad").server()["restart_count"].GetInt(), 0);
  EXPECT_EQ(logsOf("bad", "stdout"), "out\n");
  EXPECT_EQ(logsOf("bad", "stderr"), "err\n");
  EXPECT_EQ(ask("GET", "/servers/bad/logs").data()["logs"].GetStringLength(), 8U);
  EXPECT_EQ(ask("GET", "/servers/bad/logs?stream=both").status, 400);
  EXPECT_EQ(startServer("bad", "exec sleep 600").status, 200) << "a failed one is replaced";
  EXPECT_EQ(statusOf("bad"), "running");
}

TEST_F(ServerRoutes, RestartsAsOftenAsItMay) {
  start();
  startServer("loop", "echo x >> starts; exit 3",
              R"("restart_policy":"on-failure","max_restarts":2,"restart_delay_ms":10)");
  ASSERT_TRUE(becomes("loop", "failed"));
  EXPECT_EQ(linesOf("starts"), 3);
  EXPECT_EQ(get("loop").server()["restart_count"].GetInt(), 2);
  EXPECT_EQ(get("loop").server()["restart_delay"].GetInt64(), 10'000'000);
  startServer("slow", "exit 1", R"("restart_policy":"always","restart_delay_ms":3600000)");
  ASSERT_TRUE(becomes("slow", "restarting"));
  EXPECT_EQ(get("slow").server()["exit_code"].GetInt(), 1);
  EXPECT_EQ(ask("POST", "/servers/slow/stop").status, 200);
  EXPECT_EQ(statusOf("slow"), "stopped");
}

TEST_F(ServerRoutes, InstallsOnceAndBeforeTheStart) {
  start();
  ASSERT_EQ(::mkfifo((folder_ + "/gate").c_str(), 0600), 0);
  const Answer made =
      startServer("app", "echo started >> order; exec sleep 600",
                  R"("install":"read line < gate; echo installed $X >> order","environment":{"X":"y"})");
  EXPECT_STREQ(made.server()["status"].GetString(), "installing");
  EXPECT_EQ(linesOf("order"), 0);
  write("gate", "go\n");
  ASSERT_TRUE(becomes("app", "running"));
  ASSERT_TRUE(eventually([&] { return linesOf("order") == 2; }));
  EXPECT_EQ(ask("POST", "/servers/app/restart").status, 200);
  ASSERT_TRUE(eventually([&] { return linesOf("order") == 3; })) << "not installed again";
  startServer("broken", "echo never >> never", R"("install":"echo no luck >&2; exit 9","restart_policy":"always")");
  ASSERT_TRUE(becomes("broken", "failed"));
  EXPECT_EQ(get("broken").server()["exit_code"].GetInt(), 9);
  EXPECT_EQ(logsOf("broken"), "no luck\n");
  EXPECT_EQ(linesOf("never"), 0);
}

TEST_F(ServerRoutes, APortThatIsTakenBecomesTheNextOne) {
  start();
  startServer("first", LISTENER);
  ASSERT_TRUE(becomes("first", "ready"));
  const int taken = get("first").server()["port"].GetInt();
  const std::string port = R"("port":)" + std::to_string(taken);
  const Answer refused = startServer("strict", LISTENER, port + R"(,"strict_port":true)");
  EXPECT_EQ(refused.status, 409);
  EXPECT_EQ(get("strict").status, 404);
  const Answer second = startServer("second", LISTENER, port);
  ASSERT_EQ(second.status, 200);
  const int given = second.server()["port"].GetInt();
  EXPECT_GT(given, taken);
  ASSERT_TRUE(becomes("second", "ready"));
  EXPECT_EQ(get("second").server()["port"].GetInt(), given) << "it was told by PORT";
}

TEST_F(ServerRoutes, StopsWhatDoesNotWantTo) {
  start();
  startServer("stubborn", std::string("exec ") + LISTENER + " --ignore-term", R"("stop_timeout_ms":50)");
  ASSERT_TRUE(becomes("stubborn", "ready"));
  const int port = get("stubborn").server()["port"].GetInt();
  EXPECT_EQ(ask("POST", "/servers/stubborn/stop").status, 200);
  EXPECT_FALSE(dial(static_cast<std::uint16_t>(port)));
  EXPECT_EQ(get("stubborn").server()["exit_code"].GetInt(), 128 + SIGKILL);
}

TEST_F(ServerRoutes, ACommandMayPutItsServerInTheBackground) {
  start();
  startServer("daemon", std::string(LISTENER) + " --background");
  ASSERT_TRUE(becomes("daemon", "ready"));
  const int port = get("daemon").server()["port"].GetInt();
  EXPECT_TRUE(dial(static_cast<std::uint16_t>(port)));
  EXPECT_EQ(ask("DELETE", "/servers/daemon").status, 204);
  EXPECT_FALSE(dial(static_cast<std::uint16_t>(port)));
}

TEST_F(ServerRoutes, HealthDecidesWhenItIsReady) {
  start();
  const std::string check = R"("health_check":{"path":"/ok","interval_ms":20,"timeout_ms":1000,"delay_ms":0})";
  startServer("well", std::string(LISTENER) + " --status 302", check);
  startServer("ill", std::string(LISTENER) + " --status 503", check);
  ASSERT_TRUE(becomes("well", "ready"));
  const Answer well = get("well");
  EXPECT_TRUE(well.server()["healthy"].GetBool());
  EXPECT_EQ(well.server()["health_check"]["interval_ms"].GetInt(), 20);
  EXPECT_EQ(well.server()["health_status"]["last_status"].GetInt(), 302);
  EXPECT_EQ(well.server()["health_status"]["consecutive_failures"].GetInt(), 0);
  EXPECT_THAT(well.server()["health_status"]["last_check"].GetString(), EndsWith("Z"));
  ASSERT_TRUE(eventually([&] { return get("ill").server()["health_status"]["consecutive_failures"].GetInt() > 2; }));
  EXPECT_EQ(statusOf("ill"), "running");
  EXPECT_TRUE(get("ill").server().HasMember("url"));

  const Answer ready = ask("GET", "/ready");
  EXPECT_TRUE(ready.json["ready"].GetBool()) << "both have a port";
  EXPECT_FALSE(ready.json["healthy"].GetBool());
  EXPECT_TRUE(ready.json["servers"][0]["healthy"].GetBool());
  EXPECT_EQ(ready.json["servers"][1]["health_check"]["last_status"].GetInt(), 503);
}

TEST_F(ServerRoutes, HealthIsAskedForOnBothLoopbacksAndInTime) {
  start();
  const std::string check = R"("health_check":{"interval_ms":10,"timeout_ms":30,"delay_ms":0})";
  startServer("six", std::string(LISTENER) + " --six", check);
  startServer("silent", std::string(LISTENER) + " --silent", check);
  EXPECT_TRUE(becomes("six", "ready"));
  ASSERT_TRUE(eventually([&] { return get("silent").server()["health_status"]["consecutive_failures"].GetInt() > 1; }));
  EXPECT_FALSE(get("silent").server()["health_status"].HasMember("last_status"));
}

TEST_F(ServerRoutes, SomebodyElseMaySetTheStatus) {
  start();
  startServer("app", "exec sleep 600");
  const Answer set = ask("PATCH", "/servers/app/status", R"({"status":"ready"})");
  EXPECT_EQ(set.status, 200);
  EXPECT_STREQ(set.data()["slug"].GetString(), "app");
  EXPECT_STREQ(set.data()["status"].GetString(), "ready");
  EXPECT_EQ(statusOf("app"), "ready");
  EXPECT_EQ(ask("PATCH", "/servers/app/status", R"({"status":"great"})").status, 400);
  EXPECT_EQ(ask("PATCH", "/servers/app/status", "{}").status, 400);
}

TEST_F(ServerRoutes, OverlaysOfAServerComeFirst) {
  start();
  std::filesystem::create_directory(folder_ + "/template");
  write("template/page", "text");
  const Answer made = startServer("web", "cat page; exec sleep 600",
                                  R"("path":"app","overlay":{"source":")" + folder_ + R"(/template","target":"app"})");
  ASSERT_EQ(made.status, 200) << made.body;
  EXPECT_EQ(made.server()["depends_on"].Size(), 1U);
  EXPECT_TRUE(eventually([&] { return logsOf("web") == "text"; })) << logsOf("web");
}

TEST_F(ServerRoutes, TheSetupAppliesOverlaysThenServers) {
  std::filesystem::create_directory(folder_ + "/template");
  write("template/page", "text");
  start(R"({"overlays":[{"source":")" + folder_ + R"(/template","target":"app"}],"servers":[)" +
        R"({"slug":"web","start":"exec )" + LISTENER + R"(","path":"app"},)" +
        R"({"slug":"later","start":"exec sleep 600","autostart":false}]})");
  ASSERT_TRUE(eventually([&] { return ask("GET", "/ready").json["ready"].GetBool(); })) << ask("GET", "/ready").body;
  const Answer ready = ask("GET", "/ready");
  EXPECT_TRUE(ready.json["healthy"].GetBool());
  ASSERT_EQ(ready.json["servers"].Size(), 2U);
  EXPECT_STREQ(ready.json["servers"][0]["status"].GetString(), "ready");
  EXPECT_TRUE(ready.json["servers"][0]["port"].IsInt());
  EXPECT_STREQ(ready.json["servers"][1]["status"].GetString(), "stopped");
  ASSERT_EQ(ready.json["overlays"].Size(), 1U);
  EXPECT_STREQ(ready.json["overlays"][0]["copy_status"].GetString(), "complete");
  EXPECT_EQ(ask("POST", "/servers/later/restart").status, 200);
  EXPECT_EQ(statusOf("later"), "running");
}

TEST_F(ServerRoutes, ASetupThatFailsIsNeverReady) {
  start(R"({"overlays":[{"source":"/nowhere-at-all","target":"app"}],)"
        R"("servers":[{"slug":"web","start":"exec sleep 600"}]})");
  ASSERT_TRUE(eventually([&] { return ask("GET", "/servers").data()["servers"].Size() == 1; })) << "the rest is done";
  const Answer ready = ask("GET", "/ready");
  EXPECT_FALSE(ready.json["ready"].GetBool());
  EXPECT_THAT(ready.json["setup_error"].GetString(), HasSubstr("nowhere-at-all"));
}

TEST_F(ServerRoutes, ReadyFromTheBeginningWithoutServers) {
  start();
  const Answer ready = ask("GET", "/ready");
  EXPECT_TRUE(ready.json["ready"].GetBool());
  EXPECT_EQ(ready.json["servers"].Size(), 0U);
  EXPECT_EQ(ready.json["overlays"].Size(), 0U);
}

TEST_F(ServerRoutes, NothingSurvivesTheDaemon) {
  start();
  startServer("a", LISTENER);
  startServer("b", std::string(LISTENER) + " --ignore-term", R"("restart_policy":"always")");
  ASSERT_TRUE(becomes("a", "ready"));
  ASSERT_TRUE(becomes("b", "ready"));
  const int first = get("a").server()["pid"].GetInt(), second = get("b").server()["pid"].GetInt();
  daemon_.reset();
  EXPECT_NE(::kill(first, 0), 0);
  EXPECT_NE(::kill(second, 0), 0);
}

}  // namespace
}  // namespace computesdk::sandboxd
