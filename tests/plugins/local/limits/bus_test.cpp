#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <limits/bus_connection.hpp>
#include <limits/systemd_scope.hpp>

#include "stand_in_bus.hpp"

namespace computesdk::local::limits {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;
using Manner = StandInBus::Manner;

TEST(BusMessages, SurviveTheRoundTrip) {
  BusMessage message;
  message.type = BusType::kCall;
  message.serial = 7;
  message.path = "/a/b";
  message.interface = "a.b";
  message.member = "C";
  message.destination = "d.e";
  message.signature = "s";
  BusWriter writer;
  writer.string("hello");
  message.body = writer.take();
  const std::string bytes = encode(message);
  EXPECT_EQ(busMessageSize(bytes), bytes.size());
  EXPECT_EQ(busMessageSize(std::string_view(bytes).substr(0, 15)), 0U);
  const auto back = decode(bytes);
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(back->path, "/a/b");
  EXPECT_EQ(back->member, "C");
  BusReader reader(back->body);
  EXPECT_EQ(reader.string(), "hello");
  EXPECT_TRUE(reader.ok());
}

TEST(BusMessages, EveryCutOrChangedByteIsSurvived) {
  BusMessage message;
  message.serial = 7;
  message.path = "/a/b";
  message.member = "C";
  message.signature = "s";
  message.body = std::string("\5\0\0\0hello\0", 10);
  const std::string bytes = encode(message);
  for (std::size_t size = 0; size < bytes.size(); ++size) EXPECT_FALSE(decode(bytes.substr(0, size)).has_value());
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    for (const int value : {0, 1, 0x7f, 0xff}) {
      std::string changed = bytes;
      changed[at] = static_cast<char>(value);
      (void)busMessageSize(changed);
      (void)decode(changed);
    }
  }
}

TEST(BusMessages, RefusesHugeAndForeignOnes) {
  std::string huge = encode(BusMessage{});
  huge[7] = '\x7f';
  EXPECT_FALSE(busMessageSize(huge).has_value());
  EXPECT_FALSE(busMessageSize("B").has_value());
}

TEST(Scope, AsksForADelegatedScopeHoldingTheLauncher) {
  StandInBus bus(Manner::kGood);
  const auto group = startScope(bus.address(), "computesdk-1000-00", 4242, milliseconds(5000));
  ASSERT_TRUE(group.ok()) << group.error().why;
  EXPECT_EQ(*group, "/user.slice/x.scope");
  const BusMessage call = bus.startCall();
  EXPECT_EQ(call.destination, "org.freedesktop.systemd1");
  EXPECT_EQ(call.signature, "ssa(sv)a(sa(sv))");
  BusReader reader(call.body);
  EXPECT_EQ(reader.string(), "computesdk-1000-00.scope");
  EXPECT_EQ(reader.string(), "fail");
  const std::size_t size = reader.number();
  reader.align(8);
  const std::size_t end = reader.position() + size;
  reader.align(8);
  EXPECT_EQ(reader.string(), "Description");
  EXPECT_EQ(reader.signature(), "s");
  reader.string();
  reader.align(8);
  EXPECT_EQ(reader.string(), "PIDs");
  EXPECT_EQ(reader.signature(), "au");
  EXPECT_EQ(reader.number(), 4U);
  EXPECT_EQ(reader.number(), 4242U);
  reader.align(8);
  EXPECT_EQ(reader.string(), "Delegate");
  EXPECT_EQ(reader.signature(), "b");
  EXPECT_EQ(reader.number(), 1U);
  reader.align(8);
  EXPECT_EQ(reader.string(), "CollectMode");
  EXPECT_EQ(reader.signature(), "s");
  reader.string();
  EXPECT_TRUE(reader.ok());
  EXPECT_EQ(reader.position(), end);
  EXPECT_EQ(reader.number(), 0U) << "no auxiliary units";
}

TEST(Scope, EachWayToFailHasItsError) {
  const struct {
    Manner manner;
    ErrorClass kind;
    const char* why;
  } cases[] = {{Manner::kRejectsUser, ErrorClass::kPermissionDenied, "does not accept this user"},
               {Manner::kRefuses, ErrorClass::kPermissionDenied, "Interactive authentication required"},
               {Manner::kJobFails, ErrorClass::kUnavailable, "its job ended as failed"},
               {Manner::kHangsUp, ErrorClass::kUnavailable, ""},
               {Manner::kSendsNonsense, ErrorClass::kUnavailable, "no message"},
               {Manner::kNamesParent, ErrorClass::kUnavailable, "named no control group"}};
  for (const auto& one : cases) {
    StandInBus bus(one.manner);
    const auto group = startScope(bus.address(), "u", 1, milliseconds(5000));
    ASSERT_FALSE(group.ok());
    EXPECT_EQ(group.error().kind, one.kind) << group.error().why;
    EXPECT_THAT(group.error().why, HasSubstr(one.why));
    EXPECT_FALSE(group.error().message.empty());
    EXPECT_FALSE(group.error().fix.empty());
  }
}

TEST(Scope, ASilentBusIsLeftAtTheDeadline) {
  StandInBus bus(Manner::kSilent);
  const auto group = startScope(bus.address(), "u", 1, milliseconds(50));
  ASSERT_FALSE(group.ok());
  EXPECT_EQ(group.error().kind, ErrorClass::kDeadlineExceeded);
}

TEST(Scope, NoBusIsSaid) {
  for (const char* address : {"", "tcp:host=localhost", "unix:path=/nonexistent/bus", "unix:", "unix:path=", ";;"}) {
    const auto group = startScope(address, "u", 1, milliseconds(1000));
    ASSERT_FALSE(group.ok()) << address;
    EXPECT_EQ(group.error().kind, ErrorClass::kUnavailable) << address;
  }
}

// The reference bus understands us: it answers that nobody there is systemd.
TEST(Scope, SpeaksToTheReferenceBus) {
  if (::access("/usr/bin/dbus-daemon", X_OK) != 0) GTEST_SKIP() << "dbus-daemon is not installed";
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const pid_t daemon = ::fork();
  if (daemon == 0) {
    ::dup2(ends[1], 1);
    ::dup2(::open("/dev/null", O_WRONLY), 2);
    ::execl("/usr/bin/dbus-daemon", "dbus-daemon", "--session", "--nofork", "--nopidfile", "--print-address=1",
            "--address=unix:tmpdir=/tmp", nullptr);
    ::_exit(127);
  }
  ::close(ends[1]);
  std::string address;
  char c;
  while (::read(ends[0], &c, 1) == 1 && c != '\n') address += c;
  ::close(ends[0]);
  const auto group = startScope(address, "computesdk-test", ::getpid(), milliseconds(10000));
  ::kill(daemon, SIGTERM);
  ::waitpid(daemon, nullptr, 0);
  ASSERT_FALSE(group.ok());
  EXPECT_EQ(group.error().kind, ErrorClass::kUnavailable) << group.error().why;
  EXPECT_THAT(group.error().why, HasSubstr("org.freedesktop.")) << address;
}

}  // namespace
}  // namespace computesdk::local::limits
