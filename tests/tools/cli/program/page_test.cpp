#include <gtest/gtest.h>
#include <rapidjson/document.h>

#include <fstream>
#include <iterator>
#include <set>
#include <sstream>

#include "program.hpp"

// docs/cli.md says what the program can do: each verb, each option, each key of its JSON. (Its examples are run by
// tests/docs.)
namespace computesdk::cli::test {
namespace {

std::string page() {
  std::ifstream in(COMPUTESDK_CLI_PAGE);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// The verbs of the overview.
std::vector<std::vector<std::string>> verbs(const World& world) {
  std::istringstream lines(world.run({"--help"}).out);
  std::vector<std::vector<std::string>> found;
  bool inside = false;
  for (std::string line; std::getline(lines, line); inside |= line == "Verbs:") {
    if (!inside || !line.starts_with("  ")) continue;
    std::istringstream words(line.substr(0, line.find("  ", 2)));
    found.emplace_back(std::istream_iterator<std::string>(words), std::istream_iterator<std::string>());
  }
  return found;
}

/// "--name" and "-n" of the options of a help text.
std::set<std::string> optionsOf(const std::string& help) {
  std::set<std::string> options;
  std::istringstream lines(help.substr(std::min(help.find("\nOptions:\n"), help.size())));
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    for (std::string word; words >> word && word.starts_with('-');) {
      options.insert(word.substr(0, word.find(',')));
    }
  }
  return options;
}

TEST(Page, NamesEachVerbAndOption) {
  World world;
  const std::string text = page();
  auto all = verbs(world);
  EXPECT_GE(all.size(), 27U);
  for (std::vector<std::string> words : all) {
    std::string verb = words.size() == 2 ? words[0] + " " + words[1] : words[0];
    EXPECT_NE(text.find("computesdk " + verb), std::string::npos) << verb;
    words.emplace_back("--help");
    for (const std::string& option : optionsOf(world.run(words).out)) {
      EXPECT_NE(text.find(option), std::string::npos) << verb << " " << option;
    }
  }
}

void collectKeys(const rapidjson::Value& value, std::set<std::string>& keys) {
  // Below these the keys are the user's, the vendor's or the manifest's own.
  static const std::set<std::string> kFree = {"metadata", "limits", "native", "manifest_json", "headers"};
  if (value.IsArray()) {
    for (const auto& item : value.GetArray()) collectKeys(item, keys);
  }
  if (!value.IsObject()) return;
  for (const auto& member : value.GetObject()) {
    keys.insert(member.name.GetString());
    if (!kFree.contains(member.name.GetString())) collectKeys(member.value, keys);
  }
}

TEST(Page, NamesEachKeyOfTheJson) {
  World world;
  const std::string text = page();
  std::string id = world.create();
  std::ofstream(world.path("work/file")) << "x";
  std::string folder = world.sandboxes() / id;
  for (std::vector<std::string> words :
       std::vector<std::vector<std::string>>{{"run", "--json", "--", "printf", "\\377"},
                                             {"exec", id, "-d", "--json", "--", "true"},
                                             {"inspect", id, "--json"},
                                             {"inspect", "nosuch", "--json"},
                                             {"cp", "file", id + ":" + folder, "--json"},
                                             {"fs", "ls", id, folder, "--json"},
                                             {"provider", "list", "--json"},
                                             {"provider", "detect", "--json"},
                                             {"provider", "info", "shell", "--json"},
                                             {"provider", "search-path", "--json"},
                                             {"doctor", "--json"},
                                             {"version", "--json"},
                                             {"run", "--status-fd", "1", "--", "true"}}) {
    Ended ended = world.run(words);
    rapidjson::Document document;
    document.Parse<rapidjson::kParseIterativeFlag>(ended.out.c_str());
    ASSERT_FALSE(document.HasParseError()) << words[0] << ended.out << ended.err;
    std::set<std::string> keys;
    collectKeys(document, keys);
    EXPECT_FALSE(keys.empty()) << words[0];
    for (const std::string& key : keys) {
      bool named = text.find("`" + key + "`") != std::string::npos || text.find("\"" + key + "\"") != std::string::npos;
      EXPECT_TRUE(named) << words[0] << " " << key;
    }
  }
}

}  // namespace
}  // namespace computesdk::cli::test
