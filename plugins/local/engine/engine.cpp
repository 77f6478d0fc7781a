#include "engine.hpp"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <unordered_map>

#include "channel.hpp"
#include "choice.hpp"
#include "diagnosis.hpp"
#include "identity.hpp"
#include "launcher_client.hpp"
#include "meta.hpp"
#include "network/network.hpp"
#include "pool.hpp"
#include "registry_folder.hpp"
#include "root_plan.hpp"
#include "sandbox_state.hpp"

namespace computesdk::local {
namespace {

using limits::Controller;
using protocol::FrameType;

constexpr int kReadyMs = 60000;

std::int64_t wallMs() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

bool randomBytes(void* to, std::size_t size) { return getrandom(to, size, 0) == static_cast<ssize_t>(size); }

// 80 random bits: nobody can guess an id, and no two meet.
bool newId(std::string& id) {
  constexpr char kLetters[] = "abcdefghijklmnopqrstuvwxyz234567";
  std::uint8_t bytes[16];
  if (!randomBytes(bytes, sizeof bytes)) return false;
  id = "local-";
  for (const std::uint8_t byte : bytes) id += kLetters[byte & 31];
  return true;
}

Error notFound(std::string_view id) {
  Error error;
  error.kind = ErrorClass::kNotFound;
  error.message = "There is no local sandbox " + std::string(id.substr(0, 80));
  error.why = "It has ended, or it was made by another user or with another XDG_RUNTIME_DIR.";
  error.fix = "`computesdk ls --provider local` shows those that live.";
  return error;
}

std::uint64_t inodesFor(std::uint64_t disk) { return std::clamp<std::uint64_t>(disk / 4096, 1024, 1 << 20); }

}  // namespace

struct Engine::Impl {
  explicit Impl(EngineOptions given) : options(std::move(given)) {
    if (options.useCgroups) {
      groups.tree = options.groupTree ? options.groupTree : limits::realFileTree();
      groups.bus = options.bus;
    }
    if (options.pool == 0) return;
    pool.emplace(options.pool, [this](const CreateSpec& spec) { return make(spec); });
  }

  Result<std::shared_ptr<SandboxState>> make(const CreateSpec& spec);
  Result<std::shared_ptr<SandboxState>> makeBy(EngineKind engine, const CreateSpec& spec, const RootPlan& plan);

  Result<int> registryFd() {
    const std::lock_guard lock(mutex);
    if (!registry) {
      auto folder = openRegistry(options.registryDirectory);
      if (!folder.ok()) return folder.error();
      registry = std::move(*folder);
    }
    return registry.get();
  }

  // The other program that an engine needs.
  Status addProgram(LauncherKey& key) const {
    if (key.engine != EngineKind::kBubblewrap || key.isolation == Isolation::kNone) return okStatus();
    auto program = findBubblewrap(options.bubblewrap);
    if (!program.ok()) return program.error();
    key.bubblewrap = std::move(*program);
    return okStatus();
  }

  Result<std::shared_ptr<Launcher>> launcherFor(const LauncherKey& key, const Launcher* replacing) {
    auto folder = registryFd();
    if (!folder.ok()) return folder.error();
    const std::lock_guard lock(mutex);
    std::erase_if(launchers, [&](const auto& launcher) { return launcher.get() == replacing || launcher->gone(); });
    for (const auto& launcher : launchers) {
      if (launcher->key() == key) return launcher;
    }
    auto started = Launcher::start(key, *folder, groups);
    if (started.ok()) launchers.push_back(*started);
    return started;
  }

  EngineOptions options;
  GroupSource groups;
  std::mutex mutex;
  UniqueFd registry;
  std::vector<std::shared_ptr<Launcher>> launchers;
  std::atomic<EngineKind> working = EngineKind::kNamespaces;  // the one that was found to work, or the first to try
  std::unordered_map<std::string, std::weak_ptr<SandboxState>> own;  // also those that are not in the registry
  std::optional<Pool> pool;                                          // last: its thread uses the others
};

namespace {

struct Making {
  const CreateSpec& spec;
  Launcher& launcher;
  SandboxState& state;
};

std::vector<char> createBody(const Making& making, const Meta& meta) {
  protocol::CreateBody body{};
  const Limits& limits = meta.limits;
  body.flags = making.spec.dieWithHost ? protocol::kCreateDieWithHost : protocol::kCreateRegistered;
  if (holds(meta.controllers, Controller::kMemory)) body.flags |= protocol::kCreateHardMemory;
  if (meta.network == NetworkMode::kFull && meta.isolation == Isolation::kNamespaces) {
    body.flags |= protocol::kCreateNetwork;
  }
  if (limits.milliCpus != 0 && !holds(meta.controllers, Controller::kCpu)) body.flags |= protocol::kCreatePinCpus;
  body.milliCpus = limits.milliCpus;
  body.memoryBytes = limits.memoryBytes;
  body.diskBytes = limits.diskBytes;
  body.inodes = inodesFor(limits.diskBytes);
  body.processes = limits.processes;
  body.openFiles = limits.openFiles;
  body.uid = meta.uid;
  body.ttlMs = static_cast<std::uint64_t>(making.spec.ttl.count());
  std::copy(meta.token.begin(), meta.token.end(), body.token);
  const std::string prefix = metaPrefix(meta);
  std::vector<char> bytes(sizeof body + meta.id.size() + meta.workdir.size() + prefix.size() + 64);
  protocol::Writer writer(bytes.data(), bytes.size());
  writer.pod(body);
  writer.text(meta.id.data(), meta.id.size());
  writer.text(meta.workdir.data(), meta.workdir.size());
  writer.text(prefix.data(), prefix.size());
  bytes.resize(writer.size());
  return bytes;
}

Status requireHard(const Meta& meta, const Launcher& launcher) {
  if (!meta.limits.requireHard) return okStatus();
  for (const LimitReport& report : limitReports(meta)) {
    if (report.strength == LimitStrength::kHard || report.value == 0) continue;
    Error error;
    error.kind = ErrorClass::kUnimplemented;
    error.message = "The " + report.name + " limit can only be met softly here (" + report.how + ")";
    const std::string& why = launcher.groups().why();
    error.why = "A hard one needs a control group" + (why.empty() ? std::string() : ": " + why) + ".";
    error.fix =
        "Run as root, or where a control group is delegated (a service with Delegate=yes, a login session of "
        "systemd with cgroup v2); or allow soft limits.";
    return error;
  }
  return okStatus();
}

// Later values win where a name is given twice.
Pairs join(Pairs first, const Pairs& second) {
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

Result<Meta> newMeta(const CreateSpec& spec, const RootPlan& plan, const Launcher& launcher) {
  Meta meta;
  if (!newId(meta.id) || !randomBytes(meta.token.data(), meta.token.size())) return systemError(errno, "getrandom");
  meta.name = spec.name;
  meta.uid = launcher.uidOfNext();
  meta.engine = launcher.key().engine;
  meta.createdMs = wallMs();
  meta.expiresMs = spec.ttl.count() == 0 ? 0 : meta.createdMs + spec.ttl.count();
  meta.network = spec.network;
  meta.isolation = spec.isolation;
  meta.workdir = !spec.workdir.empty() ? spec.workdir : plan.workdir;
  if (meta.workdir.empty() && spec.isolation == Isolation::kNamespaces) meta.workdir = "/home/sandbox";
  if (meta.workdir.empty()) {
    char folder[4096];
    meta.workdir = getcwd(folder, sizeof folder) != nullptr && folder[0] == '/' ? folder : "/";
  }
  meta.limits = spec.limits;
  // The disk is memory, and its bytes are counted as memory.
  meta.limits.diskBytes = std::min(spec.limits.diskBytes, spec.limits.memoryBytes);
  if (spec.isolation == Isolation::kNone) meta.network = NetworkMode::kFull;  // the host's own
  meta.groups = launcher.groups().kind();
  meta.controllers = launcher.groups().controllers();
  meta.base = plan.base;
  meta.baseEnvs = plan.envs;
  meta.envs = join(plan.envs, spec.envs);
  meta.metadata = spec.metadata;
  return meta;
}

Error startFailure(Launcher& launcher) {
  const protocol::StartedBody started = launcher.reasonOfDeath();
  if (started.step != protocol::Step::kNone) return explain(started.step, started.error, readMachineFacts());
  Error error;
  error.kind = ErrorClass::kUnavailable;
  error.message = "The local launcher ended before the sandbox was made";
  error.why = "It was killed, or the machine is out of memory.";
  error.fix = "Look at the kernel log (dmesg).";
  return error;
}

// Network `full`, before the first command can run.
Status connectNetwork(const Making& making, const Frame& ready) {
  if (making.spec.network != NetworkMode::kFull || making.spec.isolation == Isolation::kNone) return okStatus();
  auto helper = network::findHelper();
  if (!helper.ok()) return helper.error();
  network::JoinRequest request;
  request.helper = std::move(*helper);
  request.netNamespace = ready.fds[1].get();
  request.lifetime = ready.fds[2].get();
  request.uid = making.state.meta.uid;
  request.gid = making.state.asRoot ? making.state.meta.uid : getegid();
  request.hostAddresses = network::hostAddresses();
  request.dns = access("/etc/resolv.conf", R_OK) == 0;
  return network::join(request);
}

// Why there is no init: bubblewrap's own words, which the launcher passes on, or the launcher's end.
Error whyUnborn(const Making& making, int control) {
  Frame frame;
  for (int frames = 0; frames < 4 && waitFrame(control, frame, kReadyMs) == Receipt::kFrame; ++frames) {
    if (frame.type == FrameType::kRefused) {
      return explainBubblewrap({frame.body.data(), frame.body.size()}, making.spec.mounts);
    }
  }
  return startFailure(making.launcher);
}

// Waits for init's word, and for the launcher's that the registry entry is on disk.
Status awaitReady(Making& making, int control) {
  Frame frame;
  const Receipt receipt = waitFrame(making.state.init.get(), frame, kReadyMs);
  protocol::ReadyBody ready{};
  if (receipt == Receipt::kNothing) {
    Error error;
    error.kind = ErrorClass::kDeadlineExceeded;
    error.message = "The sandbox was not ready within a minute";
    error.fix = "The machine is overloaded; try again with fewer sandboxes.";
    return error;
  }
  if (receipt == Receipt::kEnd || frame.type != FrameType::kReady || !frame.read(ready)) {
    return whyUnborn(making, control);
  }
  if (ready.step != protocol::Step::kNone) return explain(ready.step, ready.error, readMachineFacts());
  making.state.root = std::move(frame.fds[0]);
  if (Status network = connectNetwork(making, frame); !network.ok()) return network;
  if (making.spec.dieWithHost) return okStatus();
  Frame registered;
  protocol::ReplyBody reply{};
  if (waitFrame(control, registered, kReadyMs) != Receipt::kFrame || !registered.read(reply)) {
    return startFailure(making.launcher);
  }
  if (reply.error != 0) return explain(protocol::Step::kRegistry, reply.error, readMachineFacts());
  return okStatus();
}

// Returns when nothing is left of a sandbox that did not become one: the launcher closes its end then.
void removeBegun(SandboxState& state) {
  const std::uint64_t none = 0;
  sendBody(state.control.get(), FrameType::kDestroy, none);
  for (int frames = 0; frames < 4; ++frames) {
    Frame frame;
    if (waitFrame(state.control.get(), frame, 5000) != Receipt::kFrame) return;
  }
}

// Modes that cannot be met are refused, never dropped.
Status canMeet(const CreateSpec& spec) {
  Error error;
  error.kind = ErrorClass::kUnimplemented;
  if (spec.isolation == Isolation::kNone && (!spec.mounts.empty() || !spec.templateSource.empty() ||
                                             !spec.snapshotId.empty() || spec.writableBase.has_value())) {
    error.message = "Without isolation there is no root of its own to put anything in";
    error.fix = "Drop mounts, template and snapshot, or keep the isolation.";
    return error;
  }
  return okStatus();
}

}  // namespace

// The engine's own choice, and what it is when that does not work here.
Result<std::shared_ptr<SandboxState>> Engine::Impl::make(const CreateSpec& spec) {
  const auto plan = planRoot(spec);
  if (!plan.ok()) return plan.error();
  EngineKind first = options.engine.value_or(working.load());
  if (spec.isolation == Isolation::kNone) first = EngineKind::kNamespaces;  // it makes none
  auto made = makeBy(first, spec, *plan);
  if (made.ok() || made.error().kind != ErrorClass::kUnavailable) return made;
  if (options.engine || spec.isolation == Isolation::kNone) return made;
  for (const EngineKind other : alternativesTo(first)) {
    auto instead = makeBy(other, spec, *plan);
    if (instead.ok()) {
      working = other;
      return instead;
    }
    made.error().why += alsoFailed(other, instead.error());
  }
  return made;
}

Result<std::shared_ptr<SandboxState>> Engine::Impl::makeBy(EngineKind engine, const CreateSpec& spec,
                                                           const RootPlan& plan) {
  if (Status met = canMeetBy(engine, spec, plan); !met.ok()) return met.error();
  LauncherKey key{engine, spec.isolation, plan.folder, plan.layers, plan.overlay, spec.mounts, {}};
  if (Status found = addProgram(key); !found.ok()) return found.error();
  const Launcher* dead = nullptr;
  for (int attempt = 0;; ++attempt) {
    auto launcher = launcherFor(key, dead);
    if (!launcher.ok()) return launcher.error();
    auto state = std::make_shared<SandboxState>();
    auto meta = newMeta(spec, plan, **launcher);
    if (!meta.ok()) return meta.error();
    if (Status hard = requireHard(*meta, **launcher); !hard.ok()) return hard.error();
    auto init = makeSocketPair(), control = makeSocketPair();
    if (!init.ok()) return init.error();
    if (!control.ok()) return control.error();
    state->init = std::move(init->ours);
    state->control = std::move(control->ours);
    state->meta = *meta;
    state->registered = !spec.dieWithHost;
    state->asRoot = meta->uid != geteuid();
    state->launcher = *launcher;
    state->registry = UniqueFd(fcntl(registry.get(), F_DUPFD_CLOEXEC, 3));
    Making making{spec, **launcher, *state};
    const int sent = (*launcher)->create(createBody(making, *meta), init->theirs.get(), control->theirs.get());
    init->theirs.reset();
    control->theirs.reset();
    if (sent == EPIPE && attempt == 0 && (*launcher)->reasonOfDeath().step == protocol::Step::kNone) {
      dead = launcher->get();  // it ended since it was last used
      continue;
    }
    if (sent != 0 && sent != EPIPE) return systemError(sent, "Cannot speak to the local launcher");
    const Status ready = sent == EPIPE ? Status(startFailure(**launcher)) : awaitReady(making, state->control.get());
    if (ready.ok()) return state;
    removeBegun(*state);
    if (attempt == 0 && (*launcher)->gone() && (*launcher)->reasonOfDeath().step == protocol::Step::kNone) {
      dead = launcher->get();  // it was killed meanwhile
      continue;
    }
    return ready.error();
  }
}

namespace {

// Makes one from the pool what `spec` says.
Status adopt(SandboxState& state, const CreateSpec& spec) {
  Meta& meta = state.meta;
  meta.name = spec.name;
  meta.createdMs = wallMs();
  meta.expiresMs = spec.ttl.count() == 0 ? 0 : meta.createdMs + spec.ttl.count();
  meta.envs = join(meta.baseEnvs, spec.envs);
  meta.metadata = spec.metadata;
  const auto ttl = static_cast<std::uint64_t>(spec.ttl.count());
  if (spec.dieWithHost) {
    if (ttl == 0) return okStatus();
    const auto end = request(state, FrameType::kExtend, ttl, "Giving a sandbox its time");
    return end.ok() ? okStatus() : Status(end.error());
  }
  const std::string prefix = metaPrefix(meta);
  std::vector<char> body(prefix.size() + 64);
  protocol::Writer writer(body.data(), body.size());
  writer.pod(ttl);
  writer.text(prefix.data(), prefix.size());
  body.resize(writer.size());
  const auto kept = request(state, FrameType::kKeep, body, "Keeping a sandbox");
  if (!kept.ok()) return kept.error();
  state.registered = true;
  return okStatus();
}

Status openPorts(Sandbox& sandbox, const CreateSpec& spec) {
  if (spec.network == NetworkMode::kFull && spec.isolation == Isolation::kNamespaces) {
    if (Status written = sandbox.writeFile("/run/computesdk/resolv.conf", network::resolvConf()); !written.ok()) {
      return written;
    }
  }
  for (const std::uint16_t port : spec.ports) {
    if (const auto url = sandbox.url(port); !url.ok()) return url.error();
  }
  return okStatus();
}

}  // namespace

Engine::Engine(EngineOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}
Engine::~Engine() = default;

Result<std::shared_ptr<Sandbox>> Engine::create(const CreateSpec& spec) {
  if (Status valid = validate(spec); !valid.ok()) return valid.error();
  if (Status met = canMeet(spec); !met.ok()) return met.error();
  std::shared_ptr<SandboxState> state;
  if (impl_->pool && Pool::covers(spec)) {
    state = impl_->pool->take(spec);
    if (state && !adopt(*state, spec).ok()) state.reset();  // it died meanwhile
  }
  if (!state) {
    auto made = impl_->make(spec);
    if (!made.ok()) return made.error();
    state = std::move(*made);
  }
  auto sandbox = std::make_shared<Sandbox>(state);
  if (Status opened = openPorts(*sandbox, spec); !opened.ok()) {
    static_cast<void>(sandbox->destroy());
    return opened.error();
  }
  const std::lock_guard lock(impl_->mutex);
  std::erase_if(impl_->own, [](const auto& item) { return item.second.expired(); });
  impl_->own.emplace(state->meta.id, state);
  return sandbox;
}

namespace {

Result<Meta> metaOf(int registry, std::string_view id) {
  UniqueFd file(openat(registry, (std::string(id) + "/meta.json").c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  if (!file) return notFound(id);
  std::string text(70 * 1024, '\0');
  const ssize_t n = read(file.get(), text.data(), text.size());
  if (n <= 0) return notFound(id);
  return parseMeta({text.data(), static_cast<std::size_t>(n)});
}

Result<UniqueFd> connectTo(int registry, std::string_view id) {
  UniqueFd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (!socket) return systemError(errno, "socket");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  // By descriptor: the folder's own path may be longer than an address holds.
  const std::string path = "/proc/self/fd/" + std::to_string(registry) + "/" + std::string(id) + "/sock";
  if (path.size() >= sizeof address.sun_path) return notFound(id);
  memcpy(address.sun_path, path.c_str(), path.size() + 1);
  int result;
  do {
    result = connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
  } while (result != 0 && errno == EINTR);
  if (result != 0) return notFound(id);
  return socket;
}

// Says who we are, and asks for a line to init.
Status introduce(SandboxState& state) {
  sendFrame(state.control.get(), FrameType::kHello,
            {reinterpret_cast<const char*>(state.meta.token.data()), state.meta.token.size()});
  Frame frame;
  protocol::ReplyBody reply{};
  if (waitFrame(state.control.get(), frame, kReadyMs) != Receipt::kFrame || !frame.read(reply) || reply.error != 0) {
    return notFound(state.meta.id);
  }
  auto pair = makeSocketPair();
  if (!pair.ok()) return pair.error();
  const int fds[] = {pair->theirs.get()};
  sendFrame(state.control.get(), FrameType::kAttach, {}, fds);
  pair->theirs.reset();
  state.init = std::move(pair->ours);
  Frame ready;
  if (waitFrame(state.init.get(), ready, kReadyMs) != Receipt::kFrame || ready.type != FrameType::kReady) {
    return notFound(state.meta.id);
  }
  state.root = std::move(ready.fds[0]);
  return okStatus();
}

}  // namespace

Result<std::shared_ptr<Sandbox>> Engine::get(std::string_view id) {
  if (!protocol::validId(id.data(), id.size())) return notFound(id);
  auto registry = impl_->registryFd();
  if (!registry.ok()) return registry.error();
  {
    const std::lock_guard lock(impl_->mutex);
    const auto found = impl_->own.find(std::string(id));
    if (found != impl_->own.end()) {
      if (auto state = found->second.lock()) {
        auto sandbox = std::make_shared<Sandbox>(state);
        if (sandbox->info().ok()) return sandbox;
        return notFound(id);
      }
    }
  }
  const std::string name(id);
  if (entryState(*registry, name) != EntryState::kLiving) {
    removeStale(*registry, name);
    return notFound(id);
  }
  auto meta = metaOf(*registry, id);
  if (!meta.ok()) return meta.error();
  auto control = connectTo(*registry, id);
  if (!control.ok()) return control.error();
  auto state = std::make_shared<SandboxState>();
  state->meta = std::move(*meta);
  state->control = std::move(*control);
  state->registered = true;
  state->asRoot = state->meta.uid != geteuid();
  state->registry = UniqueFd(fcntl(*registry, F_DUPFD_CLOEXEC, 3));
  if (state->meta.groups != limits::GroupKind::kNone) state->groups = impl_->groups.tree;
  if (Status known = introduce(*state); !known.ok()) return known.error();
  const std::lock_guard lock(impl_->mutex);
  impl_->own[name] = state;
  return std::make_shared<Sandbox>(state);
}

Result<std::vector<SandboxInfo>> Engine::list() {
  auto registry = impl_->registryFd();
  if (!registry.ok()) return registry.error();
  std::vector<SandboxInfo> list;
  for (const std::string& id : livingEntries(*registry)) {
    auto meta = metaOf(*registry, id);
    if (meta.ok()) list.push_back(toInfo(*meta, SandboxStatus::kRunning));
  }
  std::sort(list.begin(), list.end(), [](const auto& a, const auto& b) { return a.createdMs < b.createdMs; });
  return list;
}

Status Engine::destroy(std::string_view id) {
  auto sandbox = get(id);
  if (sandbox.ok()) return (*sandbox)->destroy();
  return sandbox.error().kind == ErrorClass::kNotFound ? okStatus() : Status(sandbox.error());
}

ProbeReport Engine::probe() {
  ProbeReport report;
  CreateSpec spec;
  spec.dieWithHost = true;
  auto sandbox = create(spec);
  if (!sandbox.ok()) {
    report.refusal = sandbox.error();
    return report;
  }
  report.available = true;
  LauncherKey key;
  key.engine = impl_->options.engine.value_or(impl_->working.load());
  static_cast<void>(impl_->addProgram(key));  // it was found a moment ago
  auto launcher = impl_->launcherFor(key, nullptr);
  const auto kind = launcher.ok() ? (*launcher)->groups().kind() : limits::GroupKind::kNone;
  const auto strength = [&](Controller controller) {
    return launcher.ok() && (*launcher)->groups().has(controller) ? LimitStrength::kHard : LimitStrength::kSoft;
  };
  report.cgroups = kind == limits::GroupKind::kV1 ? "v1" : kind == limits::GroupKind::kV2 ? "v2" : "none";
  report.memory = strength(Controller::kMemory);
  report.cpu = strength(Controller::kCpu);
  report.processes = LimitStrength::kHard;
  static_cast<void>((*sandbox)->destroy());
  return report;
}

}  // namespace computesdk::local
