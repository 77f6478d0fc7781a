#include "peers.hpp"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "spawn.hpp"

namespace computesdk::bench {

namespace {

namespace fs = std::filesystem;

// A folder that goes when the program ends.
struct Bundle {
  fs::path path;
  Bundle() {
    std::string name = "/tmp/csdk-bench-XXXXXX";
    if (::mkdtemp(name.data()) != nullptr) path = name;
  }
  ~Bundle() {
    std::error_code ignored;
    if (!path.empty()) fs::remove_all(path, ignored);
  }
};

// An OCI bundle of the same shape as a local sandbox: read-only /usr, own namespaces, a tmpfs, no capabilities.
void writeBundle(const fs::path& path) {
  for (const char* folder : {"usr", "proc", "dev", "tmp", "etc"}) fs::create_directories(path / "rootfs" / folder);
  for (const char* link : {"bin", "lib", "lib64"})
    fs::create_symlink(std::string("usr/") + link, path / "rootfs" / link);
  const bool root = ::geteuid() == 0;
  const std::string user = root ? "" : R"(,{"type":"user"})";
  const std::string maps = root ? ""
                                : R"("uidMappings":[{"containerID":0,"hostID":)" + std::to_string(::geteuid()) +
                                      R"(,"size":1}],"gidMappings":[{"containerID":0,"hostID":)" +
                                      std::to_string(::getegid()) + R"(,"size":1}],)";
  std::ofstream config(path / "config.json");
  config << R"({"ociVersion":"1.0.2","root":{"path":"rootfs","readonly":true},"process":{"terminal":false,)"
            R"("user":{"uid":0,"gid":0},"args":["/bin/true"],"env":["PATH=/usr/bin:/bin"],"cwd":"/",)"
            R"("noNewPrivileges":true,"capabilities":{}},"hostname":"sandbox","mounts":[)"
            R"({"destination":"/proc","type":"proc","source":"proc"},)"
            R"({"destination":"/usr","type":"bind","source":"/usr","options":["rbind","ro"]},)"
            R"({"destination":"/tmp","type":"tmpfs","source":"tmpfs"}],"linux":{)"
         << maps << R"("namespaces":[{"type":"pid"},{"type":"network"},{"type":"ipc"},{"type":"uts"},{"type":"mount"})"
         << user << "]}}";
}

std::vector<Peer> candidates(const fs::path& bundle) {
  std::vector<Peer> peers;
  const auto add = [&peers](const std::string& name, std::vector<std::string> rest) {
    const std::string program = findProgram(name);
    if (program.empty()) return;
    rest.insert(rest.begin(), program);
    peers.push_back({name, std::move(rest)});
  };
  for (const char* runtime : {"crun", "runc"}) {
    add(runtime, {"--root", (bundle / (std::string(runtime) + "-state")).string(), "run", "--bundle", bundle.string(),
                  std::string("csdk-bench-") + runtime + "-" + std::to_string(::getpid())});
  }
  add("nsjail", {"-Mo", "-Q", "--chroot", "/", "--", "/bin/true"});
  add("firejail", {"--quiet", "--noprofile", "--private", "--net=none", "/bin/true"});
  add("podman", {"run", "--rm", "--pull=never", "--network=none", "sandbox-base", "/bin/true"});
  add("docker", {"run", "--rm", "--pull=never", "--network=none", "sandbox-base", "/bin/true"});
  return peers;
}

}  // namespace

std::vector<Peer> usablePeers() {
  static const Bundle bundle;
  if (bundle.path.empty()) return {};
  writeBundle(bundle.path);
  std::vector<Peer> usable;
  for (Peer& peer : candidates(bundle.path)) {
    const Spawned trial = spawnAndWait(peer.argv, {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/tmp"});
    if (trial.exitCode == 0) {
      usable.push_back(std::move(peer));
    } else {
      std::fprintf(stderr, "local_bench: %s is installed but its trial run failed (exit %d)\n", peer.name.c_str(),
                   trial.exitCode);
    }
  }
  return usable;
}

}  // namespace computesdk::bench
