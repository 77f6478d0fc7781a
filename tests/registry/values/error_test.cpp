#include <computesdk/error.hpp>
#include <computesdk/registry/registry.hpp>
#include <computesdk/result.hpp>
#include <computesdk/types.hpp>

#include <gtest/gtest.h>

#include <set>

namespace computesdk {
namespace {

TEST(Error, EveryCodeHasItsOwnNamesAndFindsBack) {
  std::set<std::string_view> names;
  std::set<std::string_view> wires;
  for (ErrorCode code : allErrorCodes()) {
    EXPECT_TRUE(names.insert(codeName(code)).second) << codeName(code);
    EXPECT_TRUE(wires.insert(wireName(code)).second) << wireName(code);
    EXPECT_TRUE(codeName(code).starts_with("E_"));
    EXPECT_GE(httpStatus(code), 400);
    EXPECT_GT(exitCode(code), 0);
    EXPECT_EQ(codeFromName(codeName(code)), code);
  }
  EXPECT_EQ(codeFromName("e_auth_missing"), ErrorCode::authMissing);
  EXPECT_EQ(codeFromName("E_NOTHING"), std::nullopt);
  EXPECT_EQ(codeFromName(""), std::nullopt);
}

ErrorInfo sample() {
  ErrorInfo info;
  info.code = ErrorCode::authRejected;
  info.what = "cannot create a sandbox on e2b";
  info.why = "the API key was refused";
  info.fix = "check E2B_API_KEY\nor use another provider";
  info.provider = "e2b";
  info.requestId = "0af3c1";
  return info;
}

TEST(Error, HeadlineStandsAlone) {
  EXPECT_EQ(sample().firstLine(), "cannot create a sandbox on e2b: the API key was refused");
  EXPECT_STREQ(Error(sample()).what(), "cannot create a sandbox on e2b: the API key was refused");
}

TEST(Error, TerminalFormHasFiveParts) {
  EXPECT_EQ(formatError(sample()),
            "error: cannot create a sandbox on e2b: the API key was refused\n"
            "  fix:  check E2B_API_KEY\n"
            "        or use another provider\n"
            "  code: E_AUTH_REJECTED   provider e2b   request 0af3c1   docs: computesdk help E_AUTH_REJECTED");
}

TEST(Error, PromisedSentenceStaysWhole) {
  ErrorInfo info;
  info.code = ErrorCode::unsupported;
  info.what = "Provider 'railway' does not support extendTimeout.";
  info.why = "its API has no way to move the end of a sandbox's life";
  EXPECT_EQ(info.firstLine(), info.what);
  EXPECT_EQ(formatError(info),
            "error: Provider 'railway' does not support extendTimeout.\n"
            "  why:  its API has no way to move the end of a sandbox's life\n"
            "  code: E_UNSUPPORTED   docs: computesdk help E_UNSUPPORTED");
}

TEST(Error, FurtherLinesOfTheCauseFollowTheHeadline) {
  ErrorInfo info;
  info.code = ErrorCode::pluginLoad;
  info.what = "cannot load provider 'acme'";
  info.why = "2 candidates, none usable\n/a.so   not found\n/b.so   refused";
  EXPECT_EQ(formatError(info),
            "error: cannot load provider 'acme': 2 candidates, none usable\n"
            "  /a.so   not found\n"
            "  /b.so   refused\n"
            "  code: E_PLUGIN_LOAD   docs: computesdk help E_PLUGIN_LOAD");
}

TEST(Error, NothingThatATerminalActsOnIsShown) {
  ErrorInfo info = sample();
  info.what = "cannot create \x1b[2J on e2b";
  info.why = "evil \x1b]0;title\x07\r\nsecond\xc2\x9b 31m";
  info.vendorText = "raw \x7f\tthing";
  info.sandboxId = "a\nb\x1b[1m";
  info.requestId = "r\n1";
  EXPECT_EQ(info.firstLine(), "cannot create \\x1b[2J on e2b: evil \\x1b]0;title\\x07\\x0d");
  EXPECT_EQ(
      formatError(info),
      "error: cannot create \\x1b[2J on e2b: evil \\x1b]0;title\\x07\\x0d\n"
      "  second\\x9b 31m\n"
      "  said: raw \\x7f\tthing\n"
      "  fix:  check E2B_API_KEY\n"
      "        or use another provider\n"
      "  code: E_AUTH_REJECTED   provider e2b   sandbox a\\x0ab\\x1b[1m   request r\\x0a1   docs: computesdk help "
      "E_AUTH_REJECTED");
}

TEST(Error, ThrowsTheLeafThatCallersBranchOn) {
  auto thrown = [](ErrorCode code) {
    ErrorInfo info;
    info.code = code;
    throwError(info);
  };
  EXPECT_THROW(thrown(ErrorCode::authMissing), AuthError);
  EXPECT_THROW(thrown(ErrorCode::sandboxGone), NotFoundError);
  EXPECT_THROW(thrown(ErrorCode::unsupported), UnsupportedError);
  EXPECT_THROW(thrown(ErrorCode::timeout), TimeoutError);
  EXPECT_THROW(thrown(ErrorCode::quota), RateLimitError);
  EXPECT_THROW(thrown(ErrorCode::network), ProviderError);
  EXPECT_THROW(thrown(ErrorCode::pluginLoad), PluginError);
  EXPECT_THROW(thrown(ErrorCode::internal), Error);
}

TEST(Result, ValueOfAFailureThrowsIt) {
  Result<int> failed(sample());
  EXPECT_FALSE(failed.has_value());
  EXPECT_THROW(failed.value(), AuthError);
  EXPECT_EQ(failed.value_or(3), 3);
  EXPECT_EQ(Result<int>(7).value(), 7);
}

TEST(Types, ExitCodeIsWhatAShellReports) {
  EXPECT_EQ((ExitStatus{.kind = ExitStatus::Kind::code, .value = 3}.exitCode()), 3);
  EXPECT_EQ((ExitStatus{.kind = ExitStatus::Kind::signal, .value = 9}.exitCode()), 137);
  EXPECT_EQ((ExitStatus{.kind = ExitStatus::Kind::timeout}.exitCode()), 124);
  EXPECT_EQ((ExitStatus{}.exitCode()), -1);
}

TEST(Types, Names) {
  EXPECT_EQ(toString(SandboxStatus::running), "running");
  EXPECT_EQ(toString(NetworkMode::none), "none");
  EXPECT_EQ(toString(EntryType::directory), "directory");
  EXPECT_EQ(registry::toString(registry::CandidateState::shadowed), "shadowed");
}

}  // namespace
}  // namespace computesdk
