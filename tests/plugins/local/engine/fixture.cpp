#include "fixture.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <charconv>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace computesdk::local::testing {

Scratch::Scratch() {
  char name[] = "/tmp/computesdk-test-XXXXXX";
  path_ = mkdtemp(name);
}

Scratch::~Scratch() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

Output runSpec(Sandbox& sandbox, ExecSpec spec) {
  Output output;
  const auto wanted = spec.output;
  spec.output = [&](Stream stream, std::span<const std::byte> bytes) {
    (stream == Stream::kStdout ? output.out : output.err)
        .append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    return wanted ? wanted(stream, bytes) : true;
  };
  auto status = sandbox.exec(spec);
  if (status.ok()) {
    output.status = *status;
  } else {
    output.failed = true;
    output.error = status.error();
  }
  return output;
}

Output run(Sandbox& sandbox, std::vector<std::string> argv) {
  ExecSpec spec;
  spec.argv = std::move(argv);
  spec.timeout = Milliseconds(60000);
  return runSpec(sandbox, spec);
}

Output shell(Sandbox& sandbox, const std::string& line) {
  ExecSpec spec;
  spec.shell = line;
  spec.timeout = Milliseconds(60000);
  return runSpec(sandbox, spec);
}

EngineOptions SandboxTest::options() const {
  EngineOptions options;
  options.registryDirectory = scratch_.path();
  if (rootEngine()) options.engine = EngineKind::kRoot;
  if (bubblewrapEngine()) options.engine = EngineKind::kBubblewrap;
  options.useCgroups = getenv("COMPUTESDK_TEST_NO_CGROUPS") == nullptr;
  return options;
}

bool rootEngine() { return getenv("COMPUTESDK_TEST_ROOT_ENGINE") != nullptr; }
bool bubblewrapEngine() { return getenv("COMPUTESDK_TEST_BUBBLEWRAP_ENGINE") != nullptr; }

SandboxTest::SandboxTest() : engine_(options()) {}

SandboxTest::~SandboxTest() {
  const auto left = engine_.list();
  if (!left.ok()) return;
  for (const SandboxInfo& info : *left) static_cast<void>(engine_.destroy(info.id));
}

std::shared_ptr<Sandbox> SandboxTest::make(const CreateSpec& spec) {
  auto sandbox = engine_.create(spec);
  if (!sandbox.ok()) {
    ADD_FAILURE() << sandbox.error().message << " / " << sandbox.error().why << " / " << sandbox.error().fix;
    abort();
  }
  return *sandbox;
}

std::shared_ptr<Sandbox> SandboxTest::makeHostile(const CreateSpec& spec) {
  auto sandbox = make(spec);
  const std::string program = std::filesystem::read_symlink("/proc/self/exe").parent_path() / "local_hostile";
  std::ifstream file(program, std::ios::binary);
  std::stringstream bytes;
  bytes << file.rdbuf();
  const Status written = sandbox->writeFile("/tmp/hostile", bytes.str(), 0755);
  EXPECT_TRUE(written.ok()) << written.error().message;
  return sandbox;
}

std::vector<int> SandboxTest::launchers() const {
  std::vector<int> pids;
  const std::string registry = scratch_.path() + "/computesdk/local";
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const std::string number = entry.path().filename();
    int pid = 0;
    std::from_chars(number.data(), number.data() + number.size(), pid);
    if (pid <= 0 || pid == getpid()) continue;
    std::ifstream file(entry.path() / "cmdline");
    std::string name;
    std::getline(file, name, '\0');
    if (name != "computesdk-local") continue;
    std::error_code ignored;
    for (const auto& link : std::filesystem::directory_iterator(entry.path() / "fd", ignored)) {
      if (std::filesystem::read_symlink(link.path(), ignored) == registry) {
        pids.push_back(pid);
        break;
      }
    }
  }
  return pids;
}

}  // namespace computesdk::local::testing
