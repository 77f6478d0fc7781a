#include "support.hpp"

#include "redis/client.hpp"

#include <netinet/in.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>

extern char** environ;

namespace computesdk::gateway::test {
namespace {

int freePort() {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  EXPECT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&address), size), 0);
  EXPECT_EQ(::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size), 0);
  ::close(fd);
  return ntohs(address.sin_port);
}

store::redis::Client clientFor(int port, milliseconds patience) {
  store::redis::Address address;
  address.host = "127.0.0.1";
  address.port = static_cast<std::uint16_t>(port);
  return {address, patience, 1};
}

}  // namespace

TempFolder::TempFolder() {
  // In memory where that is possible: SQLite's syncs are most of the time that these tests take.
  std::string pattern = (::access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp") + std::string("/csdk-store-XXXXXX");
  EXPECT_NE(::mkdtemp(pattern.data()), nullptr);
  path_ = pattern;
}

TempFolder::~TempFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

RedisServer::RedisServer(std::vector<std::string> more) : more_(std::move(more)) {
  for (int tries = 0; tries < 5; ++tries) {
    port_ = freePort();
    if (tryStart()) return;
  }
  ADD_FAILURE() << "redis-server does not start; is it installed (.ci/install-packages test)?";
}

RedisServer::~RedisServer() { kill(SIGKILL); }

std::string RedisServer::url() const { return "redis://127.0.0.1:" + std::to_string(port_) + "/0"; }

bool RedisServer::tryStart() {
  std::vector<std::string> words = {"setpriv",      "--pdeathsig",
                                    "KILL",         "redis-server",
                                    "--port",       std::to_string(port_),
                                    "--bind",       "127.0.0.1",
                                    "--dir",        folder_.path().string(),
                                    "--appendonly", "yes",
                                    "--save",       "",
                                    "--logfile",    (folder_.path() / "log").string(),
                                    "--daemonize",  "no"};
  words.insert(words.end(), more_.begin(), more_.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  if (::posix_spawnp(&pid_, "setpriv", nullptr, nullptr, argv.data(), environ) != 0) return false;
  const auto until = SteadyClock::now() + seconds(20);
  while (SteadyClock::now() < until) {
    auto client = clientFor(port_, milliseconds(100));
    auto answer = client.call({"PING"});
    if (answer || answer.error().vendorCode == "NOAUTH") return true;
    if (::waitpid(pid_, nullptr, WNOHANG) == pid_) {
      pid_ = -1;
      return false;
    }
  }
  kill(SIGKILL);
  return false;
}

void RedisServer::start() { EXPECT_TRUE(tryStart()); }

void RedisServer::kill(int signal) {
  if (pid_ <= 0) return;
  ::kill(pid_, signal);
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
}

std::string RedisServer::ask(const std::vector<std::string>& words) const {
  auto client = clientFor(port_, seconds(10));
  auto answer = client.call(words);
  if (!answer) return "<" + answer.error().why + ">";
  return answer->kind == store::redis::Reply::Kind::integer ? std::to_string(answer->number) : answer->text;
}

std::vector<std::string> RedisServer::keys() const {
  auto client = clientFor(port_, seconds(10));
  auto answer = client.call({"KEYS", "*"});
  EXPECT_TRUE(answer);
  std::vector<std::string> found;
  for (const auto& item : answer->items) found.push_back(item.text);
  std::sort(found.begin(), found.end());
  return found;
}

std::string backendName(const testing::TestParamInfo<Backend>& info) {
  return info.param == Backend::sqlite ? "Sqlite" : "Redis";
}

RedisServer& StoreTest::redis() {
  static RedisServer server;
  return server;
}

void StoreTest::SetUp() {
  if (GetParam() == Backend::redis) redis().ask({"FLUSHALL"});
  store_ = open();
  ASSERT_NE(store_, nullptr);
}

std::string StoreTest::url() const {
  return GetParam() == Backend::redis ? redis().url() : "sqlite:" + (folder_.path() / "state/gateway.db").string();
}

std::shared_ptr<Store> StoreTest::open(StoreOptions options) const { return must(Store::open(url(), options)); }

SandboxRecord draftOf(const std::string& id, const std::string& name, const std::string& workspace) {
  SandboxRecord draft;
  draft.id = id;
  draft.workspace = workspace;
  draft.provider = "local";
  draft.name = name;
  if (!name.empty()) draft.nameSpace = "default";
  return draft;
}

SandboxRecord madeOf(SandboxRecord draft, std::int64_t expiresMs) {
  draft.providerId = "box-" + draft.id;
  draft.token = std::string("\0\xff\x01 bytes", 9);
  draft.daemonUrl = "http://127.0.0.1:1";
  draft.daemonToken = "d\"t";
  draft.metadata = R"({"a":"b"})";
  draft.envs = {{"A", "1"}, {"B", "two words"}};
  draft.expiresMs = expiresMs;
  return draft;
}

SandboxRecord make(Store& store, const SandboxRecord& draft, std::int64_t expiresMs) {
  Begun begun = must(store.begin(draft));
  EXPECT_EQ(begun.kind, Begun::Kind::begun);
  EXPECT_TRUE(must(store.finish(madeOf(begun.record, expiresMs))));
  auto made = must(store.peek(draft.id));
  EXPECT_TRUE(made);
  return made.value_or(SandboxRecord());
}

}  // namespace computesdk::gateway::test
