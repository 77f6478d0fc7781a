#include <gtest/gtest.h>
#include <rapidjson/document.h>

#include <fstream>

#include "program.hpp"

// --json and --status-fd: one document, whatever happens.
namespace computesdk::cli::test {
namespace {

rapidjson::Document parse(const std::string& text) {
  rapidjson::Document document;
  document.Parse<rapidjson::kParseIterativeFlag>(text.c_str());
  EXPECT_FALSE(document.HasParseError()) << text;
  return document;
}

TEST(JsonOutput, OfACommand) {
  World world;
  Ended ended = world.run({"run", "--json", "--", "sh", "-c", "echo hi; echo no >&2; exit 3"});
  EXPECT_EQ(ended.code, 3);
  auto result = parse(ended.out);
  EXPECT_EQ(result["exit_code"].GetInt(), 3);
  EXPECT_STREQ(result["stdout"].GetString(), "hi\n");
  EXPECT_STREQ(result["stderr"].GetString(), "no\n");
  EXPECT_FALSE(result["timed_out"].GetBool());
  EXPECT_FALSE(result["truncated"].GetBool());
  EXPECT_TRUE(result["duration_ms"].IsInt64());
  auto late = parse(world.run({"run", "--json", "--timeout", "100ms", "--", "sleep", "60"}).out);
  EXPECT_EQ(late["exit_code"].GetInt(), 124);
  EXPECT_TRUE(late["timed_out"].GetBool());
}

TEST(JsonOutput, OfFailures) {
  World world;
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"run", "--json", "--provider", "nosuch", "--", "true"},
        {"run", "--json", "--memory", "12", "--", "true"},
        {"inspect", "--json", "nosuch"},
        {"create", "--json", "--timeout", "3s"}}) {
    Ended ended = world.run(words);
    EXPECT_NE(ended.code, 0);
    auto error = parse(ended.out);
    ASSERT_TRUE(error.HasMember("error")) << ended.out;
    for (const char* key : {"code", "message", "why", "fix", "provider", "sandbox_id", "request_id", "retryable",
                            "retry_after_ms", "docs_url"}) {
      EXPECT_TRUE(error["error"].HasMember(key)) << key;
    }
    EXPECT_EQ(ended.err, "") << "told once";
  }
  // After the dashes it is the command's.
  EXPECT_EQ(world.run({"run", "--memory", "12", "--", "x", "--json"}).out, "");
}

TEST(JsonOutput, OfSandboxes) {
  World world;
  Ended made = world.run({"create", "--json"});
  ASSERT_EQ(made.code, 0) << made.out;
  auto sandbox = parse(made.out);
  std::string id = sandbox["id"].GetString();
  EXPECT_STREQ(sandbox["provider"].GetString(), "shell");
  auto list = parse(world.run({"ls", "--json"}).out);
  ASSERT_EQ(list.Size(), 1U);
  EXPECT_EQ(list[0]["id"].GetString(), id);
  auto info = parse(world.run({"inspect", id, "--json"}).out);
  EXPECT_EQ(info["id"].GetString(), id);
  EXPECT_STREQ(info["capabilities"]["run_command"].GetString(), "native");
  EXPECT_STREQ(info["capabilities"]["extend"].GetString(), "none");
  EXPECT_EQ(world.run({"ls", "-q"}).out, id + "\n");
}

TEST(JsonOutput, OfProviders) {
  World world;
  auto detect = parse(world.run({"provider", "detect", "--json"}).out);
  EXPECT_STREQ(detect["selected"].GetString(), "shell");
  EXPECT_STREQ(detect["candidates"][0]["state"].GetString(), "selected");
  EXPECT_STREQ(detect["candidates"][0]["matched"][0].GetString(), "EXAMPLE_SHELL_ROOT");
  EXPECT_TRUE(parse(world.run({"provider", "list", "--json"}).out).IsArray());
  EXPECT_TRUE(parse(world.run({"provider", "search-path", "--json"}).out).IsArray());
  auto info = parse(world.run({"provider", "info", "shell", "--json"}).out);
  EXPECT_STREQ(info["manifest_json"]["name"].GetString(), "shell");
  EXPECT_TRUE(parse(world.run({"version", "--json"}).out).HasMember("version"));
}

TEST(StatusFd, TellsOurFailuresFromTheCommands) {
  World world;
  auto runWithStatus = [&](std::vector<std::string> words) {
    Running::Setup setup = world.setup(std::move(words));
    setup.argv.insert(setup.argv.begin(), {"/bin/sh", "-c", "exec \"$@\" 3>status", "sh"});
    Running running(setup);
    Ended ended = running.wait();
    std::ifstream file(world.path("work/status"));
    std::string line;
    std::getline(file, line);
    auto status = parse(line);
    EXPECT_EQ(status["exit_code"].GetInt(), ended.code);
    return status;
  };
  auto own = runWithStatus({"run", "--status-fd", "3", "--", "sh", "-c", "exit 125"});
  EXPECT_STREQ(own["kind"].GetString(), "code");
  EXPECT_TRUE(own["error"].IsNull());
  EXPECT_FALSE(own["kept"].GetBool());
  auto ours = runWithStatus({"run", "--status-fd", "3", "--provider", "nosuch", "--", "true"});
  EXPECT_STREQ(ours["kind"].GetString(), "error");
  EXPECT_STREQ(ours["error"]["code"].GetString(), "E_UNKNOWN_PROVIDER");
  auto kept = runWithStatus({"run", "--keep", "--status-fd", "3", "--", "sh", "-c", "kill -9 $$"});
  EXPECT_TRUE(kept["kept"].GetBool());
  EXPECT_EQ(kept["signal"].GetInt(), 9);
  EXPECT_TRUE(std::string(kept["sandbox_id"].GetString()).starts_with("sh-"));
  EXPECT_EQ(world.run({"run", "--status-fd", "77", "--", "true"}).code, 125);
}

}  // namespace
}  // namespace computesdk::cli::test
