#include "core/json.hpp"

#include <gtest/gtest.h>

#include "core/attached.hpp"
#include "core/failure.hpp"

namespace computesdk::cli {
namespace {

TEST(Json, RepairsTextThatIsNotUtf8) {
  JsonWriter json;
  json.text(std::string("a\xff\"\n\0b", 6));
  EXPECT_EQ(json.str(), "\"a\xef\xbf\xbd\\\"\\n\\u0000b\"");
}

TEST(Json, KnowsUtf8) {
  EXPECT_TRUE(isUtf8("grün €\xf0\x9f\x98\x80"));
  for (const char* wrong :
       {"\xff", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82", "\x80", "\xe0\x80\x80"}) {
    EXPECT_FALSE(isUtf8(wrong));
  }
}

TEST(Json, Base64) {
  EXPECT_EQ(base64(""), "");
  EXPECT_EQ(base64("f"), "Zg==");
  EXPECT_EQ(base64("fo"), "Zm8=");
  EXPECT_EQ(base64("foo"), "Zm9v");
  EXPECT_EQ(base64("\xff\xfe"), "//4=");
}

TEST(Json, CommandResult) {
  CommandResult result;
  result.stdout_ = "hi\n";
  result.exitCode = 3;
  result.duration = std::chrono::milliseconds(6);
  result.commandId = "cmd_1";
  result.status = {.kind = ExitStatus::Kind::code, .value = 3};
  EXPECT_EQ(resultJson(result),
            R"({"command_id":"cmd_1","exit_code":3,"stdout":"hi\n","stderr":"","duration_ms":6,"truncated":false,)"
            R"("timed_out":false,"out_of_memory":false,"signal":null})");
  result.stdout_ = "\xff";
  EXPECT_NE(resultJson(result).find(R"("stdout_base64":"/w==")"), std::string::npos);
}

TEST(Json, Error) {
  ErrorInfo error;
  error.code = ErrorCode::rateLimited;
  error.what = "cannot create a sandbox on e2b";
  error.why = "too many requests";
  error.fix = "wait";
  error.provider = "e2b";
  error.retryable = true;
  error.retryAfter = std::chrono::milliseconds(1500);
  EXPECT_EQ(errorJson(error),
            R"({"error":{"code":"E_RATE_LIMITED","message":"cannot create a sandbox on e2b: too many requests",)"
            R"("why":"too many requests","fix":"wait","provider":"e2b","sandbox_id":null,"request_id":null,)"
            R"("retryable":true,"retry_after_ms":1500,"maybe_applied":false,"vendor_code":null,"vendor_text":null,)"
            R"("docs_url":"docs/errors/E_RATE_LIMITED.md"}})");
}

TEST(Json, Sandbox) {
  SandboxInfo info;
  info.id = "sb_1";
  info.provider = "local";
  info.status = SandboxStatus::running;
  info.createdAt = SystemTime(std::chrono::milliseconds(0));
  info.memoryBytes = 1024;
  JsonWriter json;
  json.beginObject();
  writeSandbox(json, info);
  json.endObject();
  EXPECT_EQ(json.str(),
            R"({"id":"sb_1","provider":"local","name":null,"namespace":null,"status":"running","network":"default",)"
            R"("created_at":"1970-01-01T00:00:00.000Z","expires_at":null,"never_expires":false,"cpu_milli":null,)"
            R"("memory_bytes":1024,"disk_bytes":null,"process_limit":null,"template":null,"image":null,)"
            R"("working_directory":null,"isolation":null,"limits":{},"notices":[],"metadata":{}})");
}

}  // namespace
}  // namespace computesdk::cli
