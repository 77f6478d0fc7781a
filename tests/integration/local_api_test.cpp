// The C++ API over the real local provider: real namespaces, real processes.
#include <gtest/gtest.h>
#include <computesdk/computesdk.hpp>

#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "scratch.hpp"

namespace computesdk {
namespace {

using namespace std::chrono_literals;
using testing::Scratch;

class LocalApi : public ::testing::Test {
 protected:
  Scratch scratch_;
  Compute compute_{scratch_.localConfig()};
  Sandbox create(const CreateOptions& options = {}) { return compute_.sandbox().create(options); }
};

TEST_F(LocalApi, RunsACommandAndReportsItsEnd) {
  Sandbox sandbox = create();
  const CommandResult result = sandbox.runCommand("echo out; echo err >&2; exit 3");
  EXPECT_EQ(result.stdout_, "out\n");
  EXPECT_EQ(result.stderr_, "err\n");
  EXPECT_EQ(result.exitCode, 3);
  EXPECT_EQ(sandbox.runCommand({"/bin/sh", "-c", "kill -9 $$"}).exitCode, 137);
  EXPECT_EQ(sandbox.runCommand({"/no/such/program"}).exitCode, 127);
  EXPECT_EQ(sandbox.runCommand({"/etc/passwd"}).exitCode, 126);
}

TEST_F(LocalApi, ArgumentsAreNotSeenByAShell) {
  Sandbox sandbox = create();
  EXPECT_EQ(sandbox.runCommand({"/bin/echo", "$HOME; `id` 'x\"  y"}).stdout_, "$HOME; `id` 'x\"  y\n");
}

TEST_F(LocalApi, AWordTooLongForTheKernelIsTheCommandsEnd) {
  Sandbox sandbox = create();
  for (std::size_t size : {std::size_t{200} << 10, std::size_t{2} << 20}) {
    EXPECT_EQ(sandbox.runCommand({"true", std::string(size, 'a')}).exitCode, 126) << size;
    EXPECT_EQ(sandbox.runCommand({"true"}, {.env = {{"A", std::string(size, 'a')}}}).exitCode, 126) << size;
  }
  EXPECT_EQ(sandbox.runCommand({"true"}).exitCode, 0);
}

TEST_F(LocalApi, WorkingDirectoryEnvironmentAndInput) {
  Sandbox sandbox = create({.envs = {{"A", "1"}, {"B", "2"}}, .directory = "/work/deep"});
  EXPECT_EQ(sandbox.runCommand("pwd; echo $A$B$C", {.env = {{"B", "b"}, {"C", "c"}}}).stdout_, "/work/deep\n1bc\n");
  EXPECT_EQ(sandbox.runCommand({"pwd"}, {.cwd = "/tmp"}).stdout_, "/tmp\n");
  EXPECT_EQ(sandbox.runCommand({"cat"}, {.stdin_ = "through stdin"}).stdout_, "through stdin");
  EXPECT_EQ(sandbox.runCommand({"cat"}).stdout_, "");
}

TEST_F(LocalApi, TheCallersEnvironmentStaysOutside) {
  ::setenv("E2B_API_KEY", "e2b_secret_of_the_host", 1);
  Sandbox sandbox = create();
  const std::string seen =
      sandbox.runCommand("env; cat /proc/1/environ /proc/*/environ 2>/dev/null | tr '\\0' '\\n'").stdout_;
  ::unsetenv("E2B_API_KEY");
  EXPECT_EQ(seen.find("secret_of_the_host"), std::string::npos);
}

TEST_F(LocalApi, OutputStreamsWhileTheCommandRuns) {
  Sandbox sandbox = create();
  // The command goes on only when it has been answered, so output that came late would hang it into its timeout.
  sandbox.filesystem().writeFile("/tmp/gate", "");
  std::string seen;
  const CommandResult result = sandbox.runCommand("echo first; while [ ! -s /tmp/gate ]; do :; done; echo second",
                                                  {.timeout = 60s, .onStdout = [&](std::string_view chunk) {
                                                     seen += chunk;
                                                     if (seen == "first\n")
                                                       sandbox.filesystem().writeFile("/tmp/gate", "go");
                                                   }});
  EXPECT_EQ(result.exitCode, 0);
  EXPECT_EQ(seen, "first\nsecond\n");
}

TEST_F(LocalApi, ATimeoutEndsTheCommandWithItsDescendants) {
  Sandbox sandbox = create();
  const CommandResult result = sandbox.runCommand("sleep 1000 & sleep 1000", {.timeout = 200ms});
  EXPECT_EQ(result.exitCode, 124);
  EXPECT_TRUE(result.timedOut);
  EXPECT_EQ(sandbox.runCommand("ps -e 2>/dev/null | grep -c sleep || ls /proc | grep -c '^[0-9]' >/dev/null && echo 0")
                .exitCode,
            0);
}

TEST_F(LocalApi, CancellationEndsTheCommandAndKeepsTheSandbox) {
  Sandbox sandbox = create();
  std::stop_source stop;
  const auto result =
      sandbox.runCommand(nothrow, "echo up; sleep 1000",
                         {.onStdout = [&](std::string_view) { stop.request_stop(); }, .stop = stop.get_token()});
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().code, ErrorCode::cancelled);
  EXPECT_EQ(sandbox.runCommand({"true"}).exitCode, 0);
}

TEST_F(LocalApi, CodeIsRunInTheLanguageFound) {
  Sandbox sandbox = create();
  const CodeResult result = sandbox.runCode("import sys\nprint(6*7)\nsys.exit(5)");
  EXPECT_EQ(result.language, "python");
  EXPECT_EQ(result.stdout_, "42\n");
  EXPECT_EQ(result.exitCode, 5);
  EXPECT_EQ(sandbox.runCode("echo \"$((6*7))\"", "bash").stdout_, "42\n");
}

TEST_F(LocalApi, FilesAreByteExact) {
  Sandbox sandbox = create();
  const Filesystem files = sandbox.filesystem();
  std::string bytes;
  for (int i = 0; i < 300000; ++i) bytes += static_cast<char>(i * 7);
  Filesystem(files).writeFile("/work/a b/\"x'$y.bin", bytes);
  EXPECT_EQ(Filesystem(files).readFile("/work/a b/\"x'$y.bin"), bytes);
  EXPECT_EQ(sandbox.runCommand({"wc", "-c", "/work/a b/\"x'$y.bin"}).stdout_.substr(0, 6), "300000");
  EXPECT_TRUE(Filesystem(files).exists("/work/a b"));
  EXPECT_EQ(Filesystem(files).readdir("/work/a b").size(), 1u);
  Filesystem(files).remove("/work/a b");
  EXPECT_FALSE(Filesystem(files).exists("/work/a b"));
  const auto missing = Filesystem(files).readFile(nothrow, "/nope");
  ASSERT_FALSE(missing.has_value());
  EXPECT_NE(missing.error().firstLine().find("File not found: /nope"), std::string::npos);
}

TEST_F(LocalApi, HostilePathsStayInside) {
  Sandbox sandbox = create();
  sandbox.runCommand("ln -s /../../../../etc /tmp/up; ln -s /proc/self/root /tmp/magic; mkfifo /tmp/fifo");
  Filesystem files = sandbox.filesystem();
  const std::string inside = sandbox.runCommand({"cat", "/etc/passwd"}).stdout_;
  EXPECT_EQ(files.readFile("/../../../etc/passwd"), inside);
  EXPECT_EQ(files.readFile("/tmp/up/passwd"), inside);
  EXPECT_FALSE(files.readFile(nothrow, "/tmp/fifo").has_value());
  EXPECT_FALSE(files.readFile(nothrow, "/dev/zero").has_value());
  EXPECT_FALSE(files.readFile(nothrow, "").has_value());
  EXPECT_FALSE(files.readFile(nothrow, std::string_view("/etc/passwd\0x", 13)).has_value());
}

TEST_F(LocalApi, AnotherHandleFindsItByIdAndDestroyIsIdempotent) {
  Sandbox sandbox = create({.metadata = {{"user", "u1"}}, .keep = true});
  const std::string& id = sandbox.sandboxId();
  Compute other(scratch_.localConfig());
  std::optional<Sandbox> found = other.sandbox().getById(id);
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->getInfo().metadata.at("user"), "u1");
  EXPECT_EQ(found->getInfo().status, SandboxStatus::running);
  bool listed = false;
  for (const SandboxInfo& info : other.sandbox().list()) listed |= info.id == id;
  EXPECT_TRUE(listed);
  found->destroy();
  found->destroy();
  EXPECT_FALSE(other.sandbox().getById(id).has_value());
  EXPECT_FALSE(other.sandbox().getById("no-such-id").has_value());
}

TEST_F(LocalApi, TheHandleThatMadeItEndsIt) {
  std::string id;
  {
    Sandbox sandbox = create();
    id = sandbox.sandboxId();
  }
  EXPECT_FALSE(compute_.sandbox().getById(id).has_value());
}

TEST_F(LocalApi, NamedSandboxesAreFoundAgain) {
  Sandbox first = compute_.sandbox().findOrCreate({.name = "build", .namespace_ = "ci"});
  first.filesystem().writeFile("/tmp/mark", "x");
  Sandbox again = compute_.sandbox().findOrCreate({.name = "build", .namespace_ = "ci"});
  EXPECT_EQ(first.sandboxId(), again.sandboxId());
  EXPECT_EQ(again.filesystem().readFile("/tmp/mark"), "x");
  const Sandbox elsewhere = compute_.sandbox().findOrCreate({.name = "build", .namespace_ = "other"});
  EXPECT_NE(first.sandboxId(), elsewhere.sandboxId());
  compute_.sandbox().destroy(elsewhere.sandboxId());
  again.destroy();
  EXPECT_FALSE(compute_.sandbox().find({.name = "build", .namespace_ = "ci"}).has_value());
}

TEST_F(LocalApi, BackgroundCommandsOutliveTheirCall) {
  Sandbox sandbox = create();
  const CommandResult started =
      sandbox.runCommand("while [ ! -e /tmp/stop ]; do sleep 0.05; done; echo done", {.background = true});
  ASSERT_FALSE(started.commandId.empty());
  sandbox.filesystem().writeFile("/tmp/stop", "");
  EXPECT_EQ(sandbox.processes().get(started.commandId).wait().exitCode(), 0);
}

TEST_F(LocalApi, LimitsHold) {
  Sandbox sandbox = create({.memoryBytes = 128 << 20, .diskBytes = 16 << 20, .processLimit = 32});
  EXPECT_NE(sandbox.runCommand("head -c 64M /dev/zero > /tmp/big").exitCode, 0);
  EXPECT_NE(sandbox.runCommand({"python3", "-c", "x = bytearray(512 << 20)"}).exitCode, 0);
  EXPECT_NE(sandbox.runCommand("for i in $(seq 100); do sleep 30 & done; wait", {.timeout = 10s}).exitCode, 0);
  EXPECT_EQ(sandbox.runCommand({"true"}).exitCode, 0) << "the sandbox survives its floods";
}

TEST_F(LocalApi, ExtendNeverShortens) {
  Sandbox sandbox = create({.timeout = 1h});
  const auto before = sandbox.getInfo().expiresAt.value();
  EXPECT_EQ(sandbox.extendTimeout(1min).expiresAt.value(), before);
  EXPECT_GT(sandbox.extendTimeout(2h).expiresAt.value(), before);
  EXPECT_FALSE(sandbox.extendTimeout(nothrow, -1s).has_value());
}

// An HTTP server inside a sandbox without network is reached through the URL.
TEST_F(LocalApi, AUrlReachesAPortInside) {
  Sandbox sandbox = create();
  Command server =
      sandbox.runCommandAsync({"python3", "-m", "http.server", "8000", "--bind", "127.0.0.1"}, {.cwd = "/tmp"});
  sandbox.filesystem().writeFile("/tmp/hello.txt", "from inside");
  const std::string url = sandbox.getUrl({.port = 8000});
  ASSERT_TRUE(url.starts_with("http://127.0.0.1:")) << url;
  const int port = static_cast<int>(std::strtol(url.substr(17).c_str(), nullptr, 10));
  std::string answer;
  for (const auto end = std::chrono::steady_clock::now() + 30s; std::chrono::steady_clock::now() < end;) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    answer.clear();
    if (::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) {
      const std::string request = "GET /hello.txt HTTP/1.0\r\n\r\n";
      if (::send(fd, request.data(), request.size(), MSG_NOSIGNAL) > 0) {
        char buffer[4096];
        for (ssize_t got = 0; (got = ::recv(fd, buffer, sizeof buffer, 0)) > 0;)
          answer.append(buffer, static_cast<std::size_t>(got));
      }
    }
    ::close(fd);
    if (answer.find("from inside") != std::string::npos) break;  // else: the server is not up yet
  }
  EXPECT_NE(answer.find("from inside"), std::string::npos);
  server.kill(9);
}

TEST_F(LocalApi, WhatItCannotDoItSays) {
  const auto image = compute_.sandbox().create(nothrow, {.image = "debian:12"});
  ASSERT_FALSE(image.has_value());
  EXPECT_EQ(image.error().code, ErrorCode::unsupported);
  EXPECT_FALSE(image.error().fix.empty());
  const auto option = compute_.sandbox().create(nothrow, {.options = {{"no_such_option", true}}});
  ASSERT_FALSE(option.has_value());
  EXPECT_EQ(option.error().code, ErrorCode::invalidArgument);
}

}  // namespace
}  // namespace computesdk
