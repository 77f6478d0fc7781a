// What is pure: texts, options, answers, URLs.
#include <gtest/gtest.h>

#include <fstream>

#include "core/answer.hpp"
#include "core/client.hpp"
#include "core/context.hpp"
#include "core/options.hpp"
#include "core/passwd.hpp"
#include "core/process_tree.hpp"
#include "core/utf8.hpp"

namespace computesdk::sandboxd {
namespace {

TEST(Utf8, ReplacesEachBrokenPieceOnce) {
  EXPECT_EQ(validUtf8("plain"), "plain");
  EXPECT_EQ(validUtf8("a\xff"
                      "b"),
            "a\xEF\xBF\xBD"
            "b");
  EXPECT_EQ(validUtf8("\xE2\x82"), "\xEF\xBF\xBD");
  EXPECT_EQ(validUtf8("\xE2\x82x"), "\xEF\xBF\xBDx");
  EXPECT_EQ(validUtf8("\xC0\xAF"), "\xEF\xBF\xBD\xEF\xBF\xBD") << "overlong";
  EXPECT_EQ(validUtf8("\xED\xA0\x80"), "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD") << "half of a surrogate pair";
  EXPECT_EQ(validUtf8("\xF0\x9F\x98\x80"), "\xF0\x9F\x98\x80");
}

TEST(Utf8, AStreamNeverSplitsACharacterWhereverItIsCut) {
  const std::string text =
      "aé€😀z\xff"
      "ß";
  for (std::size_t first = 0; first <= text.size(); ++first) {
    for (std::size_t second = first; second <= text.size(); ++second) {
      Utf8Stream stream;
      std::string all;
      for (const auto& piece : {text.substr(0, first), text.substr(first, second - first), text.substr(second)}) {
        const auto out = stream.take(piece);
        EXPECT_EQ(validUtf8(out), out);
        all += out;
      }
      all += stream.finish();
      ASSERT_EQ(all, validUtf8(text)) << first << " " << second;
    }
  }
}

TEST(Utf8, AnUnfinishedCharacterAtTheEndIsTold) {
  Utf8Stream stream;
  EXPECT_EQ(stream.take("a\xE2\x82"), "a");
  EXPECT_EQ(stream.finish(), "\xEF\xBF\xBD");
  EXPECT_EQ(stream.finish(), "");
}

TEST(Base64, BothWays) {
  for (const std::string text : {"", "a", "ab", "abc", "\xff\xfe\xfd"}) {
    EXPECT_EQ(decodeBase64(base64(text)), text);
  }
  EXPECT_EQ(base64("ab"), "YWI=");
  EXPECT_EQ(decodeBase64("YWI"), "ab");
  EXPECT_EQ(decodeBase64("YW\nI="), "ab");
  EXPECT_FALSE(decodeBase64("Y*I="));
  EXPECT_FALSE(decodeBase64("Y"));
}

TEST(TextRing, KeepsTheLastWholeCharacters) {
  TextRing ring(5);
  ring.append("abc");
  EXPECT_EQ(ring.text(), "abc");
  ring.append("€€");
  EXPECT_EQ(ring.text(), "€") << "the first € would be cut";
  ring.append("0123456789");
  EXPECT_EQ(ring.text(), "56789");
}

TEST(Passwd, FindsTheUserOfANumber) {
  const std::string file = "root:x:0:0:root:/root:/bin/bash\nbroken\nweb:x:33:33::/var/www:/usr/sbin/nologin\n";
  EXPECT_EQ(userEntry(file, 33).home, "/var/www");
  EXPECT_EQ(userEntry(file, 0).shell, "/bin/bash");
  EXPECT_EQ(userEntry(file, 1).name, "");
  EXPECT_EQ(userEntry("", 0).name, "");
}

TEST(ProcessTree, ReadsNamesOfAnyForm) {
  const auto entry = parseStat("42 (a) b (c) R 7 41 40 0 -1");
  ASSERT_TRUE(entry);
  EXPECT_EQ(entry->pid, 42);
  EXPECT_EQ(entry->state, 'R');
  EXPECT_EQ(entry->parent, 7);
  EXPECT_EQ(entry->group, 41);
  for (const auto* bad : {"", "42", "42 (a)", "x (a) R 1 2", "42 (a) R", "42 (a) R x y"})
    EXPECT_FALSE(parseStat(bad)) << bad;
}

TEST(Options, TakesTheTokenFromWhereItIsSaid) {
  const testing::Folder folder;
  std::ofstream(folder.path() + "/token") << "from-file\n";
  const Environment environment = {{"COMPUTESDK_ACCESS_TOKEN", "from-env"}};
  EXPECT_EQ(readOptions({}, environment)->config.accessToken, "from-env");
  EXPECT_EQ(readOptions({"start", "--access-token", "x"}, environment)->config.accessToken, "x");
  EXPECT_EQ(readOptions({"--access-token-file=" + folder.path() + "/token"}, environment)->config.accessToken,
            "from-file");
  EXPECT_FALSE(readOptions({"--access-token-file", folder.path() + "/none"}, environment));
}

TEST(Options, ListensWhereItIsTold) {
  EXPECT_EQ(readOptions({}, {})->config.port, 18080);
  EXPECT_EQ(readOptions({}, {})->config.listen, "127.0.0.1");
  EXPECT_EQ(readOptions({"--unix-socket", "/x"}, {})->config.listen, "") << "no port is opened then";
  EXPECT_EQ(readOptions({"--unix-socket", "/x", "--port", "0"}, {})->config.listen, "127.0.0.1");
  EXPECT_EQ(readOptions({"--listen", "0.0.0.0", "--port=99"}, {})->config.port, 99);
}

TEST(Options, RefusesWhatItDoesNotUnderstand) {
  for (const std::vector<std::string>& words : {std::vector<std::string>{"--port"},
                                                {"--port", "65536"},
                                                {"--port", "x"},
                                                {"stop"},
                                                {"--nonsense", "1"},
                                                {"--base-url", "ftp://x"},
                                                {"--cwd", "/does/not/exist"},
                                                {"--access-token", ""}}) {
    const auto options = readOptions(words, {});
    EXPECT_FALSE(options) << words[0];
    if (!options) {
      EXPECT_FALSE(options.error().what.empty());
    }
  }
  EXPECT_FALSE(readOptions({}, {{"COMPUTESDK_SETUP_B64", "***"}}));
}

TEST(Options, ReadsTheSetupAndTheName) {
  EXPECT_EQ(readOptions({}, {{"COMPUTESDK_SETUP_B64", "e30="}})->config.setup, "{}");
  EXPECT_EQ(readOptions({}, {})->config.subdomain, "main");
  EXPECT_EQ(readOptions({}, {{"COMPUTESDK_SANDBOX_ID", "box-1"}})->config.subdomain, "box-1");
  EXPECT_EQ(readOptions({"--base-url", "https://label.example.org/"}, {})->config.subdomain, "label");
  EXPECT_EQ(readOptions({"--base-url", "http://h:1/s/id7/"}, {})->config.subdomain, "id7");
  EXPECT_EQ(readOptions({"--base-url", "http://127.0.0.1:1"}, {})->config.subdomain, "main");
}

TEST(Options, ChildrenInheritNoSecret) {
  const auto child = childEnvironment({{"COMPUTESDK_ACCESS_TOKEN", "t"}, {"COMPUTESDK_SETUP_B64", "s"}, {"A", "1"}});
  EXPECT_EQ(child.count("COMPUTESDK_ACCESS_TOKEN") + child.count("COMPUTESDK_SETUP_B64"), 0U);
  EXPECT_EQ(child.at("A"), "1");
  EXPECT_FALSE(child.at("PATH").empty());
  EXPECT_FALSE(child.at("HOME").empty());
}

TEST(Body, SaysWhatIsWrong) {
  serving::Request request;
  EXPECT_TRUE(bodyOf(request)) << "no body is an empty object";
  for (const auto& body :
       {std::string("[]"), std::string("{"), std::string("nonsense"), std::string("{}x"), std::string(100, '[')}) {
    request.body = body;
    EXPECT_FALSE(bodyOf(request)) << body;
  }
  request.body = R"({"n":1,"s":"x","b":true,"e":{"A":1,"B":true,"C":"c"},"bad":{"A=B":"x"},"z":null})";
  const auto body = bodyOf(request);
  ASSERT_TRUE(body);
  EXPECT_FALSE(optionalText(*body, "n"));
  EXPECT_FALSE(*optionalText(*body, "z"));
  EXPECT_FALSE(requiredText(*body, "missing"));
  EXPECT_FALSE(optionalBoolean(*body, "s"));
  EXPECT_FALSE(optionalVariables(*body, "bad"));
  const auto variables = optionalVariables(*body, "e");
  ASSERT_TRUE(variables);
  EXPECT_EQ(variables->size(), 3U);
  EXPECT_EQ((*variables)[1].second, "true");
}

TEST(Urls, OfPortsFollowTheBase) {
  serving::Loop loop;
  Workers workers(1);
  Processes processes(loop);
  Shared shared{{}, {}, loop, workers, processes, {}, nullptr, {}};
  const auto urlWith = [&](const char* base) {
    shared.config.baseUrl = base;
    return Context(shared, "main", "/w", "", true).portUrl(3000);
  };
  EXPECT_EQ(urlWith("https://a.b.c"), "https://a-3000.b.c");
  EXPECT_EQ(urlWith("http://a.localhost:8080"), "http://a-3000.localhost:8080");
  EXPECT_EQ(urlWith("http://h:8080/s/id"), "http://h:8080/s/id/p/3000/");
  EXPECT_EQ(urlWith("http://127.0.0.1:18080"), "http://127.0.0.1:3000");
  EXPECT_EQ(urlWith("http://[::1]:18080"), "http://[::1]:3000");
  EXPECT_EQ(urlWith("http://localhost:18080"), "http://localhost:3000");
  shared.config.baseUrl = "https://h/s/id";
  const Context context(shared, "main", "/w", "", true);
  EXPECT_EQ(context.socketUrl(), "wss://h/s/id/ws");
  EXPECT_EQ(context.resolve("a/b"), "/w/a/b");
  EXPECT_EQ(context.resolve("/a"), "/a");
  EXPECT_EQ(context.resolve(""), "/w");
}

}  // namespace
}  // namespace computesdk::sandboxd
