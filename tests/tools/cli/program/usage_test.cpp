#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

#include "program.hpp"

// What the program says when nothing is run, and where configuration comes from.
namespace computesdk::cli::test {
namespace {

TEST(Usage, ProposesTheVerbThatWasMeant) {
  World world;
  Ended ended = world.run({"rum"});
  EXPECT_EQ(ended.code, 2);
  EXPECT_EQ(ended.out, "");
  EXPECT_NE(ended.err.find("did you mean computesdk run?"), std::string::npos);
  EXPECT_NE(world.run({"fs", "cta"}).err.find("did you mean computesdk fs cat?"), std::string::npos);
  EXPECT_NE(world.run({"provider", "info", "shel"}).err.find("did you mean shell?"), std::string::npos);
  EXPECT_EQ(world.run({}).code, 2);
}

TEST(Usage, EveryVerbExplainsItself) {
  World world;
  std::string overview = world.run({"--help"}).out;
  for (const char* verb : {"run", "create", "ensure", "find", "exec", "code", "ls", "inspect", "url", "extend", "rm",
                           "cp", "doctor", "version"}) {
    Ended ended = world.run({verb, "--help"});
    EXPECT_EQ(ended.code, 0) << verb;
    auto examples = ended.out.find("\nExamples:\n");
    ASSERT_NE(examples, std::string::npos) << verb;
    EXPECT_LT(examples, ended.out.find("\nUsage: computesdk ")) << verb;
    EXPECT_NE(overview.find(std::string("\n  ") + verb), std::string::npos) << verb;
    EXPECT_EQ(world.run({"help", verb}).out, ended.out) << verb;
  }
  EXPECT_EQ(world.run({"fs", "cat", "--help"}).out, world.run({"help", "fs", "cat"}).out);
}

TEST(Usage, ExplainsCodes) {
  World world;
  Ended ended = world.run({"help", "E_UNSUPPORTED"});
  EXPECT_EQ(ended.code, 0);
  EXPECT_TRUE(ended.out.starts_with("# E_UNSUPPORTED\n"));
  EXPECT_NE(ended.out.find("Exit code 5"), std::string::npos);
  EXPECT_NE(world.run({"help", "E_UNSUPORTED"}).err.find("E_UNSUPPORTED"), std::string::npos);
}

TEST(Usage, RefusesWithTheRightHint) {
  World world;
  Ended timeout = world.run({"create", "--timeout", "3s"});
  EXPECT_EQ(timeout.code, 2);
  EXPECT_NE(timeout.err.find("--ttl"), std::string::npos);
  Ended bare = world.run({"run", "--timeout", "10", "--", "true"});
  EXPECT_EQ(bare.code, 125);
  EXPECT_NE(bare.err.find("has no unit"), std::string::npos);
  Ended secret = world.run({"run", "--api-key", "e2b_verysecret", "--", "true"});
  EXPECT_EQ(secret.code, 125);
  EXPECT_EQ(secret.err.find("verysecret"), std::string::npos);
  EXPECT_EQ(world.run({"exec", "x", "-d", "-i", "--", "true"}).code, 125);
  EXPECT_EQ(world.run({"exec", "x", "-t", "--", "true"}).code, 125) << "no terminal";
  EXPECT_EQ(world.run({"rm"}).code, 2);
  EXPECT_EQ(world.run({"rm", "x", "--all"}).code, 2);
  EXPECT_EQ(world.run({"extend", "x", "0"}).code, 2);
  EXPECT_EQ(world.run({"url", "x", "70000"}).code, 2);
  EXPECT_EQ(world.count(), 0U);
}

TEST(Usage, TheExitCodeTellsTheKindOfFailure) {
  World world;
  std::string id = world.create();
  EXPECT_EQ(world.run({"inspect", "nosuch"}).code, 4);
  EXPECT_EQ(world.run({"rm", "nosuch"}).code, 4);
  EXPECT_EQ(world.run({"url", id, "80"}).code, 5);
  Ended extend = world.run({"extend", id, "30m"});
  EXPECT_EQ(extend.code, 5);
  EXPECT_NE(extend.err.find("does not support extendTimeout"), std::string::npos) << extend.err;
  EXPECT_EQ(world.run({"ls", "--provider", "nosuch"}).code, 3);
  EXPECT_EQ(world.run({"rm", "--all", "--provider", "shell"}).code, 0);
  EXPECT_EQ(world.count(), 0U);
}

TEST(Detect, ShowsWhy) {
  World world;
  Ended set = world.run({"provider", "detect"});
  EXPECT_EQ(set.code, 0);
  EXPECT_NE(set.out.find("shell"), std::string::npos);
  EXPECT_NE(set.out.find("EXAMPLE_SHELL_ROOT"), std::string::npos);
  EXPECT_EQ(set.out.find(world.sandboxes().string()), std::string::npos) << "values are never shown";
  world.env.erase("EXAMPLE_SHELL_ROOT");
  Ended unset = world.run({"provider", "detect"});
  EXPECT_EQ(unset.out.find("shell     selected"), std::string::npos);
}

TEST(Configuration, ChoosesTheProvider) {
  World world;
  std::ofstream(world.path("work/computesdk.toml")) << "provider = \"nosuch\"\n";
  chmod(world.path("work/computesdk.toml").c_str(), 0600);
  EXPECT_EQ(world.run({"run", "--", "true"}).code, 125);
  EXPECT_EQ(world.run({"run", "--provider", "shell", "--", "true"}).code, 0) << "an option wins";
  world.env["COMPUTESDK_PROVIDER"] = "shell";
  EXPECT_EQ(world.run({"run", "--", "true"}).code, 0) << "a variable wins";
  std::ofstream(world.path("work/computesdk.toml")) << "provder = \"shell\"\n";
  Ended wrong = world.run({"ls"});
  EXPECT_EQ(wrong.code, 3);
  EXPECT_NE(wrong.err.find("did you mean provider?"), std::string::npos) << wrong.err;
}

TEST(Configuration, OptionsChooseNoProvider) {
  World world;
  std::filesystem::create_directories(world.path("home/.config/computesdk"));
  std::filesystem::path file = world.path("home/.config/computesdk/config.toml");
  std::ofstream(file) << "[options.shell]\nroot = \"" << world.path("elsewhere").string() << "\"\n"
                      << "[options.acme]\nregion = \"eu\"\n";
  chmod(file.c_str(), 0600);
  std::filesystem::create_directory(world.path("elsewhere"));
  EXPECT_EQ(world.run({"create"}).code, 0);
  EXPECT_EQ(world.count(), 1U) << "a variable says more than a file";
  world.env.erase("EXAMPLE_SHELL_ROOT");
  Ended ended = world.run({"create", "--provider", "shell"});
  EXPECT_EQ(ended.code, 0) << ended.err;
  EXPECT_NE(ended.err.find("options.acme are not used"), std::string::npos) << ended.err;
  EXPECT_FALSE(std::filesystem::is_empty(world.path("elsewhere")));
  // Settings of a provider that is not used need not be whole.
  std::ofstream(file) << "[options.shell]\n";
  EXPECT_EQ(world.run({"provider", "list"}).code, 0);
  std::ofstream(file) << "[options.shell]\nnosuch = 1\n";
  Ended wrong = world.run({"provider", "list"});
  EXPECT_NE(wrong.code, 0);
  EXPECT_NE(wrong.err.find("it has no setting 'nosuch'"), std::string::npos) << wrong.err;
}

TEST(Configuration, DotEnvGivesSecretsOnly) {
  World world;
  // A second provider whose setting is secret.
  std::string manifest = R"({"manifest_version": 1, "name": "hidden", "version": "1.0.0",
    "library": "libcomputesdk_shell.so", "abi": {"major": 1, "min_minor": 0}, "threading": "blocking",
    "secrets": "plugin", "detect": {"any_of": [{"all_of": ["HIDDEN_KEY"]}]}, "priority": 50,
    "config": [{"key": "root", "env": "HIDDEN_KEY", "secret": true, "help": "a key"},
               {"key": "domain", "env": "HIDDEN_DOMAIN", "help": "where"}]})";
  std::ofstream(world.path("providers/hidden.provider.json")) << manifest;
  chmod(world.path("providers/hidden.provider.json").c_str(), 0644);
  std::ofstream(world.path("work/.env"))
      << "# keys\nHIDDEN_KEY='abcdef'\nHIDDEN_DOMAIN=evil.example\nCOMPUTESDK_PROVIDER=shell\n";
  chmod(world.path("work/.env").c_str(), 0600);
  world.env.erase("EXAMPLE_SHELL_ROOT");
  Ended detect = world.run({"provider", "detect"});
  EXPECT_NE(detect.out.find("hidden    selected"), std::string::npos) << detect.out;
  EXPECT_NE(detect.out.find("HIDDEN_KEY (from ./.env line 2) set"), std::string::npos) << detect.out;
  EXPECT_EQ(detect.out.find("abcdef"), std::string::npos);
  EXPECT_EQ(detect.out.find("HIDDEN_DOMAIN"), std::string::npos);
  chmod(world.path("work/.env").c_str(), 0666);
  Ended open = world.run({"provider", "detect"});
  EXPECT_NE(open.err.find("others may write it"), std::string::npos);
  EXPECT_EQ(open.out.find("hidden    selected"), std::string::npos);
}

}  // namespace
}  // namespace computesdk::cli::test
