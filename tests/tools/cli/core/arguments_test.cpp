#include "core/arguments.hpp"

#include <gtest/gtest.h>

#include <cstdlib>

namespace computesdk::cli {
namespace {

/// A verb with an option of each kind.
struct Sample {
  bool flag = false;
  std::optional<Milliseconds> timeout;
  StringMap env;
  std::vector<std::uint16_t> ports;
  std::string sandbox, file;
  std::vector<std::string> argv;
  Arguments arguments{{"try", "SB [options] -- CMD", "For tests.", {"computesdk try one -- true"}}};

  Sample() {
    arguments.flag("-d,--detach", flag, "Leave it.");
    arguments.option("--timeout", "DUR", takeDuration(timeout), "End it.");
    arguments.repeated("-e,--env", "K=V", takeVariables(env), "Variable.");
    arguments.repeated("-p,--port", "PORT", takePorts(ports), "Port.");
    arguments.refused("--api-key", "it can be read by others", "set the variable");
    arguments.positional("SB", sandbox).positional("FILE", file, false).command(argv);
  }
  Result<bool> parse(std::vector<std::string> words) { return arguments.parse(words); }
};

TEST(Arguments, TakesOptionsPositionalsAndTheCommand) {
  Sample s;
  ASSERT_TRUE(s.parse({"-d", "box", "--timeout", "5s", "-e", "A=1", "--env=B=x y", "-p80", "--", "-x", "--", "a b", ""})
                  .value());
  EXPECT_TRUE(s.flag);
  EXPECT_EQ(s.sandbox, "box");
  EXPECT_EQ(s.timeout->count(), 5000);
  EXPECT_EQ(s.env, (StringMap{{"A", "1"}, {"B", "x y"}}));
  EXPECT_EQ(s.ports, (std::vector<std::uint16_t>{80}));
  EXPECT_EQ(s.argv, (std::vector<std::string>{"-x", "--", "a b", ""}));
}

TEST(Arguments, ARepeatedOptionTakesOneValueAtATime) {
  Sample s;
  ASSERT_TRUE(s.parse({"-e", "A=1", "box", "-e", "B=", "file", "--", "true"}).value());
  EXPECT_EQ(s.env, (StringMap{{"A", "1"}, {"B", ""}}));
  EXPECT_EQ(s.sandbox, "box");
  EXPECT_EQ(s.file, "file");
}

TEST(Arguments, KeepsOddValues) {
  Sample s;
  ASSERT_TRUE(s.parse({"box", "-e", "A={}", "-e", "B=[1,2]", "-e", "C=%%", "-", "--", "true"}).value());
  EXPECT_EQ(s.env, (StringMap{{"A", "{}"}, {"B", "[1,2]"}, {"C", "%%"}}));
  EXPECT_EQ(s.file, "-");
}

TEST(Arguments, AVariableAloneTakesItsValueFromHere) {
  ASSERT_EQ(setenv("CLI_ARGUMENTS_TEST", "from here", 1), 0);
  Sample s;
  ASSERT_TRUE(s.parse({"box", "-e", "CLI_ARGUMENTS_TEST", "--", "true"}).value());
  EXPECT_EQ(s.env["CLI_ARGUMENTS_TEST"], "from here");
  unsetenv("CLI_ARGUMENTS_TEST");
  EXPECT_FALSE(Sample().parse({"box", "-e", "CLI_ARGUMENTS_TEST", "--", "true"}));
}

TEST(Arguments, HelpWinsOverMistakesAndStopsAtTheCommand) {
  EXPECT_FALSE(Sample().parse({"--wrong", "--help"}).value());
  EXPECT_FALSE(Sample().parse({"-h"}).value());
  EXPECT_TRUE(Sample().parse({"box", "--", "ls", "--help"}).value());
}

struct Mistake {
  std::vector<std::string> words;
  std::string why;
  std::string fix;
};

TEST(Arguments, TellsMistakesWithTheirRemedy) {
  const std::vector<Mistake> mistakes = {
      {{"box", "--timout", "5s", "--", "true"}, "no option --timout", "did you mean --timeout?"},
      {{"box", "--frobnicate", "--", "true"}, "no option --frobnicate", "computesdk try --help"},
      {{"box", "--timeout", "5", "--", "true"}, "has no unit", "30s"},
      {{"box", "--timeout", "--", "true"}, "--timeout", "computesdk try --help"},
      {{"box", "--timeout", "5s", "--timeout", "6s", "--", "true"}, "given 2 times", "give it once"},
      {{"box", "-e", "=1", "--", "true"}, "no key", "KEY=VALUE"},
      {{"box", "--api-key", "secret", "--", "true"}, "can be read by others", "set the variable"},
      {{"--", "true"}, "SB is missing", "computesdk try SB"},
      {{"box", "file", "true"}, "\"true\" was not expected here", "put the command after --"},
      {{"box"}, "no command", "computesdk try SB"},
      {{"box", "--"}, "no command", "computesdk try SB"},
      {{"box", "--", ""}, "name is empty", "computesdk try --help"},
      {{"", "--", "true"}, "SB is empty", "computesdk try --help"},
  };
  for (const Mistake& mistake : mistakes) {
    Sample s;
    auto parsed = s.parse(mistake.words);
    ASSERT_FALSE(parsed) << mistake.why;
    EXPECT_EQ(parsed.error().code, ErrorCode::usage);
    EXPECT_NE(parsed.error().why.find(mistake.why), std::string::npos) << parsed.error().why;
    EXPECT_NE(parsed.error().fix.find(mistake.fix), std::string::npos) << parsed.error().fix;
    EXPECT_EQ(parsed.error().firstLine().find("secret"), std::string::npos);
  }
}

TEST(Arguments, WordsAfterDashesNeedAVerbThatRunsSomething) {
  bool flag = false;
  Arguments arguments({"ls", "", "", {}});
  arguments.flag("--all", flag, "All.");
  std::vector<std::string> words = {"--all", "--", "x"};
  EXPECT_FALSE(arguments.parse(words));
  words = {"--all", "--"};
  EXPECT_TRUE(arguments.parse(words));
}

TEST(Arguments, HelpShowsExamplesBeforeOptions) {
  std::string help = Sample().arguments.help();
  EXPECT_LT(help.find("Examples:"), help.find("Options:"));
  EXPECT_NE(help.find("  -d, --detach            Leave it.\n"), std::string::npos) << help;
  EXPECT_NE(help.find("  -e, --env K=V …         Variable.\n"), std::string::npos) << help;
  EXPECT_EQ(help.find("--api-key"), std::string::npos);
}

}  // namespace
}  // namespace computesdk::cli
