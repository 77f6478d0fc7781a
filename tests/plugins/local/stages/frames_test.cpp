// A real init and a real launcher get thousands of spoilt frames, with all kinds of descriptors. They cannot run under
// sanitizers; what is seen here is that both live on and do their work.
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <deque>
#include <fuzz/frames.hpp>
#include <fuzz/mutator.hpp>

#include "../engine/fixture.hpp"
#include "engine/choice.hpp"
#include "engine/launcher_client.hpp"
#include "engine/registry_folder.hpp"
#include "engine/sandbox_state.hpp"
#include "tracer.hpp"

namespace computesdk::local::testing {
namespace {

using fuzz::bodyOf;
using fuzz::execBody;
using fuzz::frame;
using fuzz::Mutator;
using fuzz::textOf;
using protocol::FrameType;

constexpr int kFrames = 4000;

// Others with --gtest_random_seed=N.
std::uint64_t seed() { return static_cast<std::uint64_t>(::testing::UnitTest::GetInstance()->random_seed()); }

std::string createBody(const std::string& id) {
  protocol::CreateBody body{};
  body.flags = protocol::kCreateDieWithHost;
  body.memoryBytes = std::uint64_t{512} << 20;
  body.diskBytes = std::uint64_t{64} << 20;
  body.inodes = 4096;
  body.processes = 4096;
  body.openFiles = 1024;
  body.uid = 0x70000000U | static_cast<std::uint32_t>(getpid());
  return bodyOf(body) + textOf(id) + textOf("/home/sandbox") + textOf("{\"version\":1");
}

// Descriptors of every kind that somebody may send, right for the frame or not.
class Descriptors {
 public:
  explicit Descriptors(Mutator& mutator) : mutator_(mutator) {}

  std::vector<int> some() {
    std::vector<int> fds;
    for (std::size_t i = mutator_.below(7); i > 0; --i) fds.push_back(one());
    return fds;
  }
  // As an exec in the foreground needs them.
  std::vector<int> proper() {
    return {channel(), keep(open("/dev/null", O_RDONLY | O_CLOEXEC)), pipeEnd(1), pipeEnd(1)};
  }

 private:
  int keep(int fd) {
    kept_.emplace_back(fd);
    if (kept_.size() > 64) kept_.pop_front();
    return fd;
  }
  int channel() {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0) return -1;
    keep(pair[0]);
    return keep(pair[1]);
  }
  int pipeEnd(int which) {
    int pair[2];
    if (pipe2(pair, O_CLOEXEC) != 0) return -1;
    keep(pair[1 - which]);
    return keep(pair[which]);
  }
  int memory(std::size_t size, int seals) {
    const int fd = keep(memfd_create("computesdk-test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    EXPECT_EQ(ftruncate(fd, static_cast<off_t>(size)), 0);
    if (seals != 0) fcntl(fd, F_ADD_SEALS, seals);
    return fd;
  }
  int one() {
    constexpr int kWhole = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
    switch (mutator_.below(10)) {
      case 0:
      case 1:
      case 2: return channel();
      case 3: return pipeEnd(0);
      case 4: return pipeEnd(1);
      case 5: return memory(protocol::kRingFileSize, kWhole);
      case 6: return memory(mutator_.below(10000), 0);
      case 7: return keep(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
      case 8: return keep(open("/usr", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
      default: return keep(open("/proc/self/stat", O_RDONLY | O_CLOEXEC));
    }
  }

  Mutator& mutator_;
  std::deque<UniqueFd> kept_;  // the last ones, so that some channels close while they are in use
};

// One message as it is. False when nobody listens any more. An empty one is left out: it looks like the end.
bool sendRaw(int socket, const std::string& bytes, const std::vector<int>& fds) {
  if (bytes.empty()) return true;
  alignas(cmsghdr) char control[CMSG_SPACE(8 * sizeof(int))] = {};
  iovec part{const_cast<char*>(bytes.data()), bytes.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (!fds.empty()) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(fds.size() * sizeof(int));
    cmsghdr* head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
    memcpy(CMSG_DATA(head), fds.data(), fds.size() * sizeof(int));
  }
  for (;;) {
    if (sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0) return true;
    if (errno != EAGAIN && errno != ETOOMANYREFS) return errno == EMSGSIZE;
    pollfd item{socket, POLLOUT, 0};
    if (poll(&item, 1, 20000) <= 0) {
      ADD_FAILURE() << "nobody reads";
      return false;
    }
  }
}

class LiveFrames : public ::testing::Test {
 protected:
  LiveFrames() {
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    auto registry = openRegistry(scratch_.path());
    EXPECT_TRUE(registry.ok());
    registry_ = std::move(*registry);
    LauncherKey key;
    if (rootEngine()) key.engine = EngineKind::kRoot;
    if (bubblewrapEngine()) {
      const auto program = findBubblewrap();
      EXPECT_TRUE(program.ok()) << program.error().fix;
      key.engine = EngineKind::kBubblewrap;
      if (program.ok()) key.bubblewrap = *program;
    }
    GroupSource groups;
    if (getenv("COMPUTESDK_TEST_NO_CGROUPS") == nullptr) groups.tree = limits::realFileTree();
    auto launcher = Launcher::start(key, registry_.get(), groups);
    EXPECT_TRUE(launcher.ok());
    launcher_ = std::move(*launcher);
  }
  ~LiveFrames() override {
    EXPECT_FALSE(launcher_->gone());
    endKept();
    launcher_.reset();
    EXPECT_EQ(awaitNobody(20), "");
  }

  // Null when it did not become one.
  std::shared_ptr<SandboxState> make(const std::string& body) {
    auto init = makeSocketPair(), control = makeSocketPair();
    if (!init.ok() || !control.ok()) return nullptr;
    auto state = std::make_shared<SandboxState>();
    state->init = std::move(init->ours);
    state->control = std::move(control->ours);
    state->launcher = launcher_;
    state->meta.uid = launcher_->uidOfNext();
    state->asRoot = state->meta.uid != geteuid();
    state->meta.workdir = "/";
    EXPECT_EQ(launcher_->create(body, init->theirs.get(), control->theirs.get()), 0);
    init->theirs.reset();
    control->theirs.reset();
    Frame ready;
    protocol::ReadyBody told{};
    const Receipt receipt = waitFrame(state->init.get(), ready, 20000);
    EXPECT_NE(receipt, Receipt::kNothing) << "neither yes nor no";
    if (receipt != Receipt::kFrame || !ready.read(told) || told.step != protocol::Step::kNone) return nullptr;
    state->root = std::move(ready.fds[0]);
    return state;
  }

  // Those that were told to outlive their host, whatever their meta.json says by now.
  void endKept() const {
    for (const std::string& id : livingEntries(registry_.get())) {
      const auto state = std::make_shared<SandboxState>();
      state->control = UniqueFd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
      sockaddr_un address{};
      address.sun_family = AF_UNIX;
      snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/%s/sock", registry_.get(), id.c_str());
      if (connect(state->control.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) continue;
      introduce(*state);
      destroy(*state);
    }
  }

  // With the token of all that createBody() makes.
  static void introduce(SandboxState& state) {
    sendFrame(state.control.get(), FrameType::kHello, std::vector<char>(protocol::kTokenSize));
  }

  // Returns when the launcher has closed its end.
  static void destroy(SandboxState& state) {
    sendBody(state.control.get(), FrameType::kDestroy, std::uint64_t{0});
    Frame answer;
    Receipt receipt = Receipt::kFrame;
    while (receipt == Receipt::kFrame) receipt = waitFrame(state.control.get(), answer, 20000);
    EXPECT_EQ(receipt, Receipt::kEnd) << "it does not end";
  }

  static ::testing::AssertionResult works(const std::shared_ptr<SandboxState>& state) {
    if (!state) return ::testing::AssertionFailure() << "it was not made";
    Sandbox sandbox(state);
    const Output output = run(sandbox, {"echo", "works"});
    if (!output.failed && output.out == "works\n") return ::testing::AssertionSuccess();
    return ::testing::AssertionFailure() << output.error.message << " code " << output.status.value;
  }

  Scratch scratch_;
  UniqueFd registry_;
  std::shared_ptr<Launcher> launcher_;
};

std::vector<std::string> initSeeds() {
  const std::vector<std::string> variables{"PATH=/usr/bin:/bin", "HOME=/home/sandbox"};
  std::vector<std::string> all{frame(FrameType::kExec, execBody({"true"}, variables)),
                               frame(FrameType::kExec, execBody({"/bin/echo", "hello"}, variables)),
                               frame(FrameType::kExec, execBody({"true"}, {}, protocol::kExecBackground)),
                               frame(FrameType::kExec, execBody({"true"}, {}, protocol::kExecPty)),
                               frame(FrameType::kExec, execBody({"true"}, variables), protocol::kBodyInMemfd),
                               frame(FrameType::kUsage, {}),
                               frame(FrameType::kFreeze, {}),
                               frame(FrameType::kClient, {})};
  for (const FrameType type : {FrameType::kDial, FrameType::kProcesses, FrameType::kOpenProcess}) {
    all.push_back(frame(type, bodyOf(std::uint64_t{2})));
  }
  return all;
}

TEST_F(LiveFrames, InitLivesOn) {
  const auto state = make(createBody("local-init"));
  ASSERT_TRUE(works(state));
  Mutator mutator(initSeeds(), seed());
  {
    Descriptors descriptors(mutator);
    for (int i = 0; i < kFrames; ++i) {
      const auto fds = mutator.below(4) == 0 ? descriptors.proper() : descriptors.some();
      ASSERT_TRUE(sendRaw(state->init.get(), mutator.next(), fds)) << "it ended after " << i << " frames";
      if (HasFailure()) return;
    }
  }
  EXPECT_TRUE(works(state));
}

TEST_F(LiveFrames, LauncherLivesOn) {
  std::vector<std::string> seeds{
      frame(FrameType::kHello, std::string(protocol::kTokenSize, 't')),
      frame(FrameType::kAttach, {}),
      frame(FrameType::kUrl, bodyOf(std::uint64_t{8080})),
      frame(FrameType::kExtend, bodyOf(std::uint64_t{300000})),
      frame(FrameType::kKeep, bodyOf(std::uint64_t{300000}) + textOf("{\"version\":1")),
      frame(FrameType::kCreate, createBody("local-other")),
  };
  Mutator mutator(std::move(seeds), seed());
  const auto witness = make(createBody("local-witness"));
  std::shared_ptr<SandboxState> state;
  int made = 0;
  {
    Descriptors descriptors(mutator);
    for (int i = 0; i < kFrames; ++i) {
      if (!state) {
        state = make(createBody("local-control" + std::to_string(++made)));
        ASSERT_TRUE(state);
      }
      // A frame that is none closes the connection, and with it the sandbox ends.
      if (!sendRaw(state->control.get(), mutator.next(), descriptors.some())) state.reset();
      Frame answer;
      while (state && receiveFrame(state->control.get(), answer) == Receipt::kFrame) {
      }
      if (HasFailure()) return;
    }
  }
  EXPECT_GT(made, 1);
  EXPECT_TRUE(works(witness));
  if (state) {
    introduce(*state);  // it may have introduced itself as somebody else
    destroy(*state);
  }
}

TEST_F(LiveFrames, WhatIsCreatedIsWholeOrNotThere) {
  Mutator mutator({createBody("local-one"), createBody("local-two")}, seed());
  int whole = 0;
  for (int i = 0; i < 300 && !HasFailure(); ++i) {
    const auto state = make(mutator.next());
    if (!state) continue;
    ++whole;
    destroy(*state);
  }
  EXPECT_GT(whole, 0);
  EXPECT_TRUE(works(make(createBody("local-after"))));
}

}  // namespace
}  // namespace computesdk::local::testing
