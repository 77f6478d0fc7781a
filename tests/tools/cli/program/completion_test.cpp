#include <gtest/gtest.h>

#include <filesystem>
#include <optional>

#include "program.hpp"

// The scripts of `completion`, in the shells that are installed.
namespace computesdk::cli::test {
namespace {

/// What bash would offer after these words, the last of which is being typed.
std::string offered(const World& world, const std::string& words) {
  const std::string program =
      world.env.contains("COMPUTESDK_CLI") ? world.env.at("COMPUTESDK_CLI") : COMPUTESDK_PROGRAM;
  Running::Setup setup = world.setup({});
  setup.argv = {"/bin/bash", "-c",
                "computesdk() { '" + program + "' \"$@\"; }; eval \"$(computesdk completion bash)\"; COMP_WORDS=(" +
                    words + "); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _computesdk; echo \"${COMPREPLY[*]}\""};
  Running bash(setup);
  Ended ended = bash.wait();
  EXPECT_EQ(ended.err, "");
  return ended.out;
}

TEST(Completion, KnowsVerbsOptionsAndSandboxes) {
  World world;
  EXPECT_EQ(offered(world, "computesdk ru"), "run\n");
  EXPECT_EQ(offered(world, "computesdk provider de"), "detect\n");
  EXPECT_EQ(offered(world, "computesdk run --mem"), "--memory\n");
  EXPECT_EQ(offered(world, "computesdk fs ls --lo"), "--long\n");
  EXPECT_EQ(offered(world, "computesdk completion ''"), "bash zsh fish\n");
  EXPECT_EQ(offered(world, "computesdk run -- l"), "\n");
  std::string id = world.create();
  EXPECT_EQ(offered(world, "computesdk exec ''"), id + "\n");
  EXPECT_EQ(offered(world, "computesdk fs cat ''"), id + "\n");
}

/// What another shell says to `script`, which may use the program as computesdk; nothing where it is not installed.
std::optional<std::string> said(const World& world, const std::string& shell, const std::string& script) {
  if (!std::filesystem::exists("/usr/bin/" + shell)) return std::nullopt;
  const std::filesystem::path bin = world.path("bin");
  std::filesystem::create_directories(bin);
  std::error_code there;
  std::filesystem::create_symlink(COMPUTESDK_PROGRAM, bin / "computesdk", there);
  Running::Setup setup = world.setup({});
  setup.env["PATH"] = bin.string() + ":/usr/bin:/bin";
  setup.argv = {"/usr/bin/" + shell, "-c", script};
  Running running(setup);
  Ended ended = running.wait();
  EXPECT_EQ(ended.err, "") << shell;
  return ended.out;
}

TEST(Completion, WorksInZsh) {
  World world;
  const auto words = said(world, "zsh",
                          "compdef() { :; }; eval \"$(computesdk completion zsh)\"; _computesdk_words fs ls --lo; "
                          "_computesdk_words provider de; _computesdk_words run --mem");
  if (!words) GTEST_SKIP() << "zsh is not installed";
  for (const char* word : {"--long\n", "detect\n", "--memory\n"}) {
    EXPECT_NE(words->find(word), std::string::npos) << word << *words;
  }
}

TEST(Completion, WorksInFish) {
  World world;
  const auto words = said(world, "fish",
                          "computesdk completion fish | source; complete -C 'computesdk fs ls --lo'; "
                          "complete -C 'computesdk provider de'; complete -C 'computesdk run --mem'");
  if (!words) GTEST_SKIP() << "fish is not installed";
  for (const char* word : {"--long", "detect\t", "--memory"}) {
    EXPECT_NE(words->find(word), std::string::npos) << word << *words;
  }
}

TEST(Completion, IsAScriptForEachShell) {
  World world;
  for (const std::string shell : {"bash", "zsh", "fish"}) {
    Ended script = world.run({"completion", shell});
    EXPECT_EQ(script.code, 0);
    EXPECT_NE(script.out.find("snapshot"), std::string::npos);
    if (!std::filesystem::exists("/usr/bin/" + shell)) continue;
    Running::Setup setup = world.setup({});
    setup.argv = {"/usr/bin/" + shell, "-n"};
    Running checked(setup);
    checked.write(script.out);
    Ended ended = checked.wait();
    EXPECT_EQ(ended.code, 0) << shell << ": " << ended.err;
  }
  EXPECT_EQ(world.run({"completion", "tcsh"}).code, 2);
}

}  // namespace
}  // namespace computesdk::cli::test
