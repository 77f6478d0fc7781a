// Network mode full over a private internet. Run as root and, by its last test, as an ordinary user.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>
#include <support/plain_fork.hpp>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <network/netlink.hpp>
#include <network/network.hpp>
#include <sstream>

#include "sandbox_stand_in.hpp"
#include "small_internet.hpp"

namespace computesdk::local::network {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

// The first IPv4 resolver of this machine, which pasta will ask; "" if there is none outside of loopback.
std::string resolver() {
  std::ifstream file("/etc/resolv.conf");
  std::string word;
  while (file >> word) {
    if (word != "nameserver" || !(file >> word)) continue;
    in_addr address;
    if (::inet_aton(word.c_str(), &address) != 0 && word.substr(0, 4) != "127.") return word;
  }
  return {};
}

const std::vector<std::string> kForbidden = {"10.1.2.3",        "172.20.0.9",   "192.168.7.7",
                                             "169.254.169.254", "100.64.1.1",   "198.18.0.1",
                                             "192.0.0.9",       "198.51.100.2", "169.254.170.2"};

std::vector<std::string> everything() {
  std::vector<std::string> addresses = {"8.8.4.4", "93.184.216.34"};
  for (const std::string& one : kForbidden) {
    if (one != "198.51.100.2") addresses.push_back(one);  // that is the machine itself
  }
  if (const std::string dns = resolver(); !dns.empty()) addresses.push_back(dns);
  return addresses;
}

// The parent of a process; 0 when it is gone.
pid_t parentOf(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string line;
  std::getline(file, line);
  pid_t parent = 0;
  std::istringstream rest(line.substr(std::min(line.size(), line.rfind(')') + 1)));
  std::string state;
  rest >> state >> parent;
  return parent;
}

// Supervisors that this process started, directly or not: it is their reaper (see main), and tests may run next to it.
int supervisors() {
  int count = 0;
  DIR* folder = ::opendir("/proc");
  while (const dirent* entry = ::readdir(folder)) {
    std::ifstream file(std::string("/proc/") + entry->d_name + "/cmdline");
    std::string name;
    std::getline(file, name, '\0');
    if (name != "computesdk-local-net") continue;
    pid_t ancestor = parentOf(static_cast<pid_t>(std::strtol(entry->d_name, nullptr, 10)));
    while (ancestor > 1 && ancestor != ::getpid()) ancestor = parentOf(ancestor);
    if (ancestor == ::getpid()) ++count;
  }
  ::closedir(folder);
  return count;
}

class Network : public ::testing::TestWithParam<Helper> {
 protected:
  void SetUp() override {
    if (!canMakeNetworks()) GTEST_SKIP() << "network namespaces cannot be made here";
    const int tun = ::open("/dev/net/tun", O_RDWR | O_CLOEXEC);
    if (tun < 0) GTEST_SKIP() << "/dev/net/tun: " << std::strerror(errno);
    ::close(tun);
    helper.kind = GetParam();
    helper.path = GetParam() == Helper::kPasta ? "/usr/bin/pasta" : "/usr/bin/slirp4netns";
    if (::access(helper.path.c_str(), X_OK) != 0) GTEST_SKIP() << helper.path << " is not installed";
    internet = std::make_unique<SmallInternet>(everything());
  }
  void TearDown() override {
    sandbox.reset();
    // The supervisor sees the sandbox's end and goes; its own end is what is waited for.
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (supervisors() > 0 && std::chrono::steady_clock::now() < end) ::poll(nullptr, 0, 5);
    EXPECT_EQ(supervisors(), 0);
  }
  Status connect(std::chrono::milliseconds timeout = std::chrono::milliseconds(10000)) {
    Status status = okStatus();
    internet->onHost([&] {
      sandbox = std::make_unique<SandboxStandIn>(launcherAbove);
      JoinRequest request;
      request.helper = helper;
      request.netNamespace = sandbox->netNamespace();
      request.lifetime = sandbox->lifetime();
      request.uid = request.gid = sandbox->uid();
      request.hostAddresses = hostAddresses();
      request.timeout = timeout;
      status = join(request);
    });
    return status;
  }

  void reachesTheInternetAndNothingElse();

  bool launcherAbove = true;
  HelperProgram helper;
  std::unique_ptr<SmallInternet> internet;
  std::unique_ptr<SandboxStandIn> sandbox;
};

void Network::reachesTheInternetAndNothingElse() {
  const Status status = connect();
  ASSERT_TRUE(status.ok()) << status.error().message << ": " << status.error().why;
  std::vector<Attempt> good = {
      {Way::kTcp, "8.8.4.4", kPort}, {Way::kTcp, "93.184.216.34", kPort}, {Way::kUdp, "8.8.4.4", kPort}};
  const bool dns = !resolver().empty();
  if (dns) good.push_back({Way::kUdp, kNameServer, 53});
  EXPECT_THAT(sandbox->attempt(good), ::testing::Each(0));
  EXPECT_THAT(internet->reached(), ::testing::IsSupersetOf({"8.8.4.4", "93.184.216.34", "udp 2"}));
  const auto allowed = internet->reached();

  for (const Way way : {Way::kTcp, Way::kTcpBoundToDevice, Way::kUdp, Way::kUdpOnDevice}) {
    std::vector<Attempt> bad;
    for (const std::string& one : kForbidden) bad.push_back({way, one, kPort});
    for (const char* more : {"192.0.0.2", "192.0.0.3", "192.0.0.1", "198.51.100.2", "0.0.0.0", "127.0.0.1",
                             "224.0.0.251", "239.255.255.250"}) {
      bad.push_back({way, more, kPort});
    }
    for (const int result : sandbox->attempt(bad, std::chrono::milliseconds(400))) EXPECT_NE(result, 0);
    auto reached = internet->reached();
    for (const std::string& one : allowed) reached.erase(one);
    EXPECT_THAT(reached, IsEmpty()) << "way " << static_cast<int>(way);
  }
}

TEST_P(Network, ReachesTheInternetAndNothingElse) { reachesTheInternetAndNothingElse(); }

TEST_P(Network, TheSameWithoutALauncherAbove) {
  launcherAbove = false;
  reachesTheInternetAndNothingElse();
}

TEST_P(Network, AClosedAddressIsRefusedAtOnce) {
  ASSERT_TRUE(connect().ok());
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(sandbox->attempt({{Way::kTcp, "169.254.169.254", kPort}}), std::vector<int>{EHOSTUNREACH});
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(1500));
}

TEST_P(Network, EndsWithTheSandbox) {
  ASSERT_TRUE(connect().ok());
  EXPECT_EQ(supervisors(), 2);  // itself and the router
  sandbox->kill();
}

TEST_P(Network, AHelperThatFailsIsQuotedAndLeavesNothing) {
  helper.path = "/bin/false";
  Status status = connect();
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().kind, ErrorClass::kUnavailable);
  EXPECT_THAT(status.error().why, HasSubstr("ended with status 1"));
  helper.path = "/nonexistent/pasta";
  status = connect();
  ASSERT_FALSE(status.ok());
  EXPECT_THAT(status.error().why, HasSubstr("status 127"));
}

TEST_P(Network, AHelperThatHangsIsLeftAtTheDeadline) {
  char path[] = "/tmp/computesdk-hang-XXXXXX";
  const int file = ::mkstemp(path);
  ASSERT_GE(file, 0);
  ASSERT_GT(::write(file, "#!/bin/sh\necho waiting for nothing\nexec sleep 1000\n", 50), 0);
  ::fchmod(file, 0755);
  ::close(file);
  helper.path = path;
  const Status status = connect(std::chrono::milliseconds(300));
  ::unlink(path);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().kind, ErrorClass::kDeadlineExceeded);
  EXPECT_THAT(status.error().why, HasSubstr("waiting for nothing"));
}

INSTANTIATE_TEST_SUITE_P(Helpers, Network, ::testing::Values(Helper::kPasta, Helper::kSlirp),
                         [](const auto& info) { return info.param == Helper::kPasta ? "pasta" : "slirp4netns"; });

TEST(NetworkRequest, ADeadSandboxIsAnError) {
  if (!canMakeNetworks()) GTEST_SKIP();
  SandboxStandIn sandbox;
  JoinRequest request;
  request.helper = {Helper::kPasta, "/usr/bin/pasta"};
  request.netNamespace = sandbox.netNamespace();
  request.lifetime = sandbox.lifetime();
  request.uid = request.gid = sandbox.uid();
  sandbox.kill();
  const Status status = join(request);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().kind, ErrorClass::kUnavailable);
}

TEST(NetworkRequest, IsChecked) {
  JoinRequest request;
  EXPECT_EQ(join(request).error().kind, ErrorClass::kInvalidArgument);
  request.netNamespace = request.lifetime = 0;
  request.helper.path = "pasta";
  EXPECT_EQ(join(request).error().kind, ErrorClass::kInvalidArgument);
  request.helper.path = "/usr/bin/pasta";
  request.hostAddresses.resize(2000);
  EXPECT_EQ(join(request).error().kind, ErrorClass::kResourceExhausted);
}

TEST(FindHelper, PrefersPastaAndNamesThePackage) {
  char folder[] = "/tmp/computesdk-helpers-XXXXXX";
  ASSERT_NE(::mkdtemp(folder), nullptr);
  const std::string base = folder;
  const auto nothing = findHelper(base);
  ASSERT_FALSE(nothing.ok());
  EXPECT_EQ(nothing.error().kind, ErrorClass::kUnavailable);
  EXPECT_THAT(nothing.error().fix, HasSubstr("apt-get install passt"));
  for (const char* name : {"slirp4netns", "pasta"}) {
    const int file = ::open((base + "/" + name).c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0755);
    ASSERT_GE(file, 0);
    ::close(file);
    const auto found = findHelper("/nonexistent:relative:" + base);
    ASSERT_TRUE(found.ok());
    EXPECT_EQ(found->path, base + "/" + name);
  }
  ::unlink((base + "/slirp4netns").c_str());
  ::unlink((base + "/pasta").c_str());
  ::rmdir(folder);
}

TEST(Netlink, OverflowIsSaidAndNothingIsOverrun) {
  NetlinkRequest request(RTM_NEWLINK, 0);
  for (int i = 0; i < 400; ++i) request.number(1, 7);
  EXPECT_FALSE(request.ok());
  EXPECT_LE(request.size(), 1024U);
}

TEST(Netlink, ACutOrForeignAnswerIsNoAcknowledgement) {
  nlmsghdr header{};
  header.nlmsg_len = sizeof header + sizeof(int);
  header.nlmsg_type = NLMSG_ERROR;
  header.nlmsg_seq = 7;
  char bytes[64] = {};
  std::memcpy(bytes, &header, sizeof header);
  const int refused = -EPERM;
  std::memcpy(bytes + sizeof header, &refused, sizeof refused);
  int error = 1;
  EXPECT_TRUE(findAcknowledgement(bytes, header.nlmsg_len, 7, error));
  EXPECT_EQ(error, -EPERM);
  EXPECT_FALSE(findAcknowledgement(bytes, header.nlmsg_len, 8, error));
  for (std::size_t size = 0; size < header.nlmsg_len; ++size) EXPECT_FALSE(findAcknowledgement(bytes, size, 7, error));
  header.nlmsg_len = 0;
  std::memcpy(bytes, &header, sizeof header);
  EXPECT_FALSE(findAcknowledgement(bytes, sizeof bytes, 7, error));
}

TEST(AsOrdinaryUser, TheSame) {
  if (::geteuid() != 0) GTEST_SKIP() << "is one already";
  const pid_t child = computesdk::testing::plainFork();
  if (child == 0) {
    // As udev would: everybody may open it.
    if (::unshare(CLONE_NEWNS) == 0 && ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
        ::mount("tmpfs", "/dev/net", "tmpfs", 0, nullptr) == 0) {
      ::umask(0);
      if (::mknod("/dev/net/tun", S_IFCHR | 0666, makedev(10, 200)) != 0) ::_exit(97);
    }
    if (::setresgid(kSandboxUid, kSandboxUid, kSandboxUid) != 0 ||
        ::setresuid(kSandboxUid, kSandboxUid, kSandboxUid) != 0) {
      ::_exit(99);
    }
    ::execl("/proc/self/exe", "local_network_test", "--gtest_brief=1", nullptr);
    ::_exit(98);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(WIFEXITED(status) ? WEXITSTATUS(status) : 200, 0);
}

}  // namespace
}  // namespace computesdk::local::network

// An ordinary user makes network namespaces in a user namespace of his own, which has to be entered before there are
// threads. He stays who he is in it.
int main(int argc, char** argv) {
  const uid_t uid = ::geteuid();
  const gid_t gid = ::getegid();
  if (uid != 0 && ::unshare(CLONE_NEWUSER) == 0) {
    const std::string line = std::to_string(uid) + " " + std::to_string(uid) + " 1";
    std::ofstream("/proc/self/setgroups") << "deny";
    std::ofstream("/proc/self/uid_map") << line;
    std::ofstream("/proc/self/gid_map") << std::to_string(gid) + " " + std::to_string(gid) + " 1";
  }
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
