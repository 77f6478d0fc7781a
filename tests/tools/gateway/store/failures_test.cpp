#include "support.hpp"

#include "redis/url.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <thread>

extern char** environ;

// What goes wrong with the file or the server, and what the user is told.
namespace computesdk::gateway::test {
namespace {

std::string fileOf(const TempFolder& folder) { return (folder.path() / "gateway.db").string(); }

ErrorInfo openError(const std::string& url, StoreOptions options = {.patience = milliseconds(150)}) {
  auto store = Store::open(url, options);
  EXPECT_FALSE(store);
  return store ? ErrorInfo() : store.error();
}

/// What another program does with the open database `d`.
void pythonSql(const std::string& file, const std::string& words) {
  std::vector<std::string> argv = {"python3", "-c", "import sqlite3; d = sqlite3.connect('" + file + "'); " + words};
  std::vector<char*> pointers;
  for (std::string& word : argv) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  pid_t pid = 0;
  ASSERT_EQ(::posix_spawnp(&pid, "python3", nullptr, nullptr, pointers.data(), environ), 0);
  int status = 0;
  ASSERT_EQ(::waitpid(pid, &status, 0), pid);
  ASSERT_EQ(status, 0);
}

// --- SQLite ----------------------------------------------------------------------------------------------------------

TEST(SqliteFile, IsMadeForItsOwnerOnly) {
  const TempFolder folder;
  const std::string file = (folder.path() / "a/b/gateway.db").string();
  must(Store::open("sqlite:" + file));
  struct stat info {};
  ASSERT_EQ(::stat(file.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  ASSERT_EQ(::stat((folder.path() / "a/b").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0700u);
}

TEST(SqliteFile, SurvivesReopening) {
  const TempFolder folder;
  const SandboxRecord made = make(*must(Store::open("sqlite:" + fileOf(folder))), draftOf("s1", "app"));
  EXPECT_EQ(must(must(Store::open("sqlite:" + fileOf(folder)))->find({"1", "default", "app"})), made);
}

TEST(SqliteFile, SomethingElseIsSaidToBeDamaged) {
  const TempFolder folder;
  std::ofstream(fileOf(folder)) << std::string(8192, 'x');
  const ErrorInfo error = openError("sqlite:" + fileOf(folder));
  EXPECT_EQ(error.code, ErrorCode::store);
  EXPECT_NE(error.why.find("not a database"), std::string::npos) << error.why;
  EXPECT_NE(error.fix.find("mv " + fileOf(folder)), std::string::npos) << error.fix;
}

TEST(SqliteFile, DamageInTheMiddleIsSaid) {
  const TempFolder folder;
  {
    auto store = must(Store::open("sqlite:" + fileOf(folder)));
    for (int i = 0; i < 200; ++i) make(*store, draftOf("s" + std::to_string(i), "app" + std::to_string(i)));
  }
  const auto size = std::filesystem::file_size(fileOf(folder));
  ASSERT_GT(size, 40'000u);
  {
    std::fstream file(fileOf(folder), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(8192);
    file << std::string(size - 8192, '\xa5');
  }
  std::optional<ErrorInfo> error;
  auto store = Store::open("sqlite:" + fileOf(folder));
  if (!store) {
    error = store.error();
  } else {
    for (int i = 0; i < 200 && !error; ++i) {
      if (auto found = (*store)->find({"1", "default", "app" + std::to_string(i)}); !found) error = found.error();
    }
  }
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code, ErrorCode::store);
  EXPECT_NE(error->fix.find("backup"), std::string::npos) << error->why << " | " << error->fix;
}

TEST(SqliteFile, LaterVersionIsLeftAlone) {
  const TempFolder folder;
  must(Store::open("sqlite:" + fileOf(folder)));
  pythonSql(fileOf(folder), "d.execute('INSERT INTO schema_version VALUES (99)'); d.commit()");
  const ErrorInfo error = openError("sqlite:" + fileOf(folder));
  EXPECT_NE(error.why.find("later version"), std::string::npos) << error.why;
  EXPECT_NE(error.fix.find("version"), std::string::npos);
}

TEST(SqliteFile, FolderOrFifoIsRefused) {
  const TempFolder folder;
  EXPECT_EQ(openError("sqlite:" + folder.path().string()).code, ErrorCode::store);
  ASSERT_EQ(::mkfifo(fileOf(folder).c_str(), 0600), 0);
  EXPECT_NE(openError("sqlite:" + fileOf(folder)).why.find("regular file"), std::string::npos);
}

TEST(SqliteFile, FullDiskChangesNothingAndIsSaid) {
  const TempFolder folder;
  auto store = must(Store::open("sqlite:" + fileOf(folder)));
  make(*store, draftOf("s1", "app"));
  // No file of this process may grow beyond what the journal has already, as on a full disk.
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  auto* const old = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit little = {std::filesystem::file_size(fileOf(folder) + "-wal"), before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &little), 0);
  std::optional<ErrorInfo> error;
  for (int i = 0; i < 2000 && !error; ++i) {
    auto begun = store->begin(draftOf("full" + std::to_string(i), "n" + std::to_string(i)));
    if (!begun) error = begun.error();
  }
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, old);
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code, ErrorCode::store);
  EXPECT_NE(error->fix.find("disk"), std::string::npos) << error->why << " | " << error->fix;
  EXPECT_EQ(must(store->get("s1"))->id, "s1");
  make(*store, draftOf("s2", "other"));
}

TEST(SqliteFile, ReadOnlyIsSaid) {
  const TempFolder folder;
  must(Store::open("sqlite:" + fileOf(folder)));
  // As somebody who may read it only; root may do anything.
  ASSERT_EQ(::chmod(folder.path().c_str(), 0755), 0);
  ASSERT_EQ(::chmod(fileOf(folder).c_str(), 0444), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    if (::geteuid() == 0 && ::setresuid(64000, 64000, 64000) != 0) ::_exit(3);
    auto store = Store::open("sqlite:" + fileOf(folder));
    ::_exit(!store && store.error().code == ErrorCode::store && !store.error().fix.empty() ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

TEST(SqliteFile, BusyOneIsSaidToBeRetryable) {
  const TempFolder folder;
  const std::string url = "sqlite:" + fileOf(folder);
  auto store = must(Store::open(url, {.patience = milliseconds(50)}));
  const std::string gate = (folder.path() / "gate").string();
  const std::string held = (folder.path() / "held").string();
  ASSERT_EQ(::mkfifo(gate.c_str(), 0600), 0);
  ASSERT_EQ(::mkfifo(held.c_str(), 0600), 0);
  // Another program holds the lock for writing until its fifo is opened.
  std::thread holder([&] {
    pythonSql(fileOf(folder), "d.isolation_level = None; d.execute('BEGIN IMMEDIATE'); open('" + held +
                                  "', 'w').write('x'); open('" + gate + "').read()");
  });
  char byte = 0;
  std::ifstream(held).get(byte);
  const auto begun = store->begin(draftOf("s1"));
  const ErrorInfo error = begun ? ErrorInfo() : begun.error();
  EXPECT_TRUE(error.retryable) << error.why;
  EXPECT_NE(error.fix.find("fuser"), std::string::npos) << error.why;
  std::ofstream(gate) << "go";
  holder.join();
  EXPECT_TRUE(eventually([&] { return store->begin(draftOf("s1")).has_value(); }));
}

// --- urls ------------------------------------------------------------------------------------------------------------

TEST(StoreUrl, RedisUrlsAreRead) {
  auto full = must(store::redis::parseUrl("redis://us%3Aer:p%40ss%2Fword@[::1]:7000/3"));
  EXPECT_EQ(full.user, "us:er");
  EXPECT_EQ(full.password, "p@ss/word");
  EXPECT_EQ(full.host, "::1");
  EXPECT_EQ(full.port, 7000);
  EXPECT_EQ(full.database, 3);
  EXPECT_EQ(full.shown(), "redis://[::1]:7000/3");
  auto plain = must(store::redis::parseUrl("redis://:secret@cache.example"));
  EXPECT_EQ(plain.user, "");
  EXPECT_EQ(plain.password, "secret");
  EXPECT_EQ(plain.shown(), "redis://cache.example:6379/0");
  EXPECT_EQ(must(store::redis::parseUrl("redis://h/")).database, 0);
}

TEST(StoreUrl, MalformedOnesSayHowWithoutThePassword) {
  for (const char* url :
       {"redis://", "redis://:hunter2@", "redis://hunter2@h", "redis://:hunter2@h:0", "redis://h:99999",
        "redis://:hunter2@h:6379x", "redis://:hunter2%zz@h", "redis://h/x", "redis://[::1", "http://h", "redis://u:@h",
        "rediss://:hunter2@h", "hunter2", "", "sqlite:", "redis://h/-1"}) {
    const ErrorInfo error = openError(url);
    EXPECT_EQ(error.code, ErrorCode::config) << url;
    EXPECT_FALSE(error.fix.empty()) << url;
    EXPECT_EQ(formatError(error).find("hunter2"), std::string::npos) << url;
  }
}

// --- Redis -----------------------------------------------------------------------------------------------------------

TEST(RedisFailures, PasswordIsGivenAndNeverShown) {
  // The user is allowed what docs/stores.md lists and no more.
  RedisServer redis({"--requirepass", "hunter2", "--user", "gate", "on", ">hunter3", "~sandbox:*", "~computesdk:*",
                     "+@read", "+@write", "+@scripting", "+@connection", "+time", "+info"});
  const std::string at = "127.0.0.1:" + std::to_string(redis.port());
  auto store = must(Store::open("redis://:hunter2@" + at + "/2"));
  EXPECT_EQ(store->where(), "redis://" + at + "/2");
  make(*store, draftOf("s1", "app"));
  auto gate = must(Store::open("redis://gate:hunter3@" + at + "/2"));
  EXPECT_TRUE(must(gate->get("s1")));
  make(*gate, draftOf("s2", "other"));
  EXPECT_TRUE(must(gate->takeDue(1, seconds(1))).empty());
  EXPECT_TRUE(must(gate->hit("k", 1, seconds(1))).allowed);
  must(gate->audit({.action = "test"}));
  EXPECT_EQ(must(gate->auditTail(5)).size(), 1u);
  EXPECT_TRUE(must(gate->concerns()).empty());
  EXPECT_FALSE(must(must(Store::open("redis://:hunter2@" + at))->get("s1")));
  for (const std::string who : {"", ":hunter4@", "gate:hunter4@"}) {
    const ErrorInfo error = openError("redis://" + who + at);
    EXPECT_EQ(error.code, ErrorCode::store);
    EXPECT_FALSE(error.retryable);
    EXPECT_NE(error.fix.find("password"), std::string::npos) << error.why;
    EXPECT_EQ(formatError(error).find("hunter"), std::string::npos) << formatError(error);
  }
}

TEST(RedisFailures, AwayIsSaidInTime) {
  RedisServer redis;
  auto store = must(Store::open(redis.url(), {.patience = milliseconds(200)}));
  redis.kill(SIGKILL);
  const auto begun = SteadyClock::now();
  const auto found = store->get("s1");
  ASSERT_FALSE(found);
  EXPECT_LT(SteadyClock::now() - begun, seconds(5));
  EXPECT_TRUE(found.error().retryable);
  EXPECT_NE(found.error().fix.find("redis-cli"), std::string::npos);
  redis.start();
  EXPECT_FALSE(must(store->get("s1")));
}

TEST(RedisFailures, OneThatHangsIsGivenUpInTime) {
  RedisServer redis;
  auto store = must(Store::open(redis.url(), {.patience = milliseconds(200)}));
  ::kill(redis.pid(), SIGSTOP);
  const auto found = store->get("s1");
  ::kill(redis.pid(), SIGCONT);
  EXPECT_FALSE(found);
  EXPECT_FALSE(must(store->get("s1")));
}

TEST(RedisFailures, ForgottenScriptsAreSentAgain) {
  RedisServer redis;
  auto store = must(Store::open(redis.url()));
  make(*store, draftOf("s1", "app"));
  redis.ask({"SCRIPT", "FLUSH"});
  make(*store, draftOf("s2", "app2"));
  EXPECT_TRUE(must(store->find({"1", "default", "app"})));
}

TEST(RedisFailures, LayoutIsTheDocumentedOne) {
  RedisServer redis;
  auto store = must(Store::open(redis.url()));
  const SandboxRecord made = make(*store, draftOf("s1", "app", "42"));
  EXPECT_EQ(redis.ask({"GET", "sandbox:name:42:default:app"}), "s1");
  EXPECT_EQ(redis.ask({"GET", "sandbox:namespace:42:default"}), made.parentId);
  SandboxRecord odd = draftOf("s2", "50%:a/b", "42");
  odd.nameSpace = "x:y";
  make(*store, odd);
  EXPECT_EQ(redis.ask({"GET", "sandbox:name:42:x%3Ay:50%25%3Aa/b"}), "s2");
  // A mapping that somebody else put there without a record is stale.
  redis.ask({"SET", "sandbox:name:42:default:ghost", "nobody"});
  EXPECT_FALSE(must(store->find({"42", "default", "ghost"})));
  EXPECT_EQ(must(store->begin(draftOf("s3", "ghost", "42"), {.mode = NameMode::claim})).kind, Begun::Kind::begun);
}

TEST(RedisFailures, RecordsOfALaterVersionAreLeftAlone) {
  RedisServer redis;
  redis.ask({"SET", "computesdk:schema", "7"});
  const ErrorInfo error = openError(redis.url());
  EXPECT_NE(error.why.find("version 7"), std::string::npos) << error.why;
}

TEST(RedisFailures, DamagedRecordIsNamedAndKeepsNobodyElse) {
  RedisServer redis;
  auto store = must(Store::open(redis.url()));
  make(*store, draftOf("s1"), 1);
  make(*store, draftOf("s2"), 1);
  make(*store, draftOf("s3"));
  redis.ask({"SET", "computesdk:sandbox:s1", "{not json"});
  const auto found = store->get("s1");
  ASSERT_FALSE(found);
  EXPECT_NE(found.error().why.find("computesdk:sandbox:s1"), std::string::npos);
  EXPECT_EQ(must(store->list("1")).size(), 1u);
  const auto due = must(store->takeDue(1, seconds(60)));
  ASSERT_EQ(due.size(), 1u);
  EXPECT_EQ(due[0].id, "s2");
}

TEST(RedisFailures, KeysOfOthersInTheWayAreSaid) {
  RedisServer redis;
  auto store = must(Store::open(redis.url()));
  redis.ask({"SET", "computesdk:sandboxes:1", "not a set"});
  const auto counted = store->count("1");
  ASSERT_FALSE(counted);
  EXPECT_NE(counted.error().fix.find("redis://HOST:PORT/DB"), std::string::npos) << counted.error().why;
}

TEST(RedisFailures, FullMemoryChangesNothing) {
  RedisServer redis({"--maxmemory", "3mb", "--maxmemory-policy", "noeviction"});
  auto store = must(Store::open(redis.url(), {.patience = milliseconds(200)}));
  SandboxRecord draft = draftOf("big");
  std::optional<ErrorInfo> error;
  int made = 0;
  for (; made < 200 && !error; ++made) {
    draft.id = "big" + std::to_string(made);
    draft.metadata = "\"" + std::string(100'000, 'x') + "\"";
    if (auto begun = store->begin(draft); !begun) error = begun.error();
  }
  ASSERT_TRUE(error);
  EXPECT_NE(error->fix.find("maxmemory"), std::string::npos) << error->why;
  EXPECT_EQ(must(store->count("1")), made - 1);
}

TEST(RedisFailures, ReplicaIsRefused) {
  RedisServer primary;
  RedisServer replica({"--replicaof", "127.0.0.1 " + std::to_string(primary.port())});
  const ErrorInfo error = openError(replica.url());
  EXPECT_NE(error.fix.find("primary"), std::string::npos) << error.why;
}

TEST(RedisFailures, SettingsThatLoseNamesAreAConcern) {
  RedisServer good;
  EXPECT_TRUE(must(must(Store::open(good.url()))->concerns()).empty());
  RedisServer bad({"--appendonly", "no", "--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"});
  EXPECT_EQ(must(must(Store::open(bad.url()))->concerns()).size(), 2u);
}

}  // namespace
}  // namespace computesdk::gateway::test
