// An image's layer is unpacked below a folder; nothing beside that folder changes, whatever the archive says. The first
// byte of an input says whether the headers' checksums are put right first, which few mutations survive otherwise.
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <plugins/local/rootfs/image_builder.hpp>
#include <rootfs/layer.hpp>
#include <rootfs/tree.hpp>
#include <set>

#include "target.hpp"

namespace computesdk::fuzz {
namespace {

using local::UniqueFd;
using local::rootfs::TarBuilder;

constexpr std::size_t kBlock = 512;

void repair(std::string& archive) {
  for (std::size_t at = 0; at + kBlock <= archive.size(); at += kBlock) {
    char* header = archive.data() + at;
    if (memcmp(header + 257, "ustar", 5) != 0) continue;
    memset(header + 148, ' ', 8);
    unsigned sum = 0;
    for (std::size_t i = 0; i < kBlock; ++i) sum += static_cast<unsigned char>(header[i]);
    snprintf(header + 148, 8, "%06o", sum);
  }
}

// base/root is unpacked into; base/outside is what hostile entries aim at.
class Scene {
 public:
  Scene() {
    // In memory, if it can be: a disk would be what is waited for.
    base_ = access("/dev/shm", W_OK) == 0 ? "/dev/shm/computesdk-fuzz-XXXXXX" : "/tmp/computesdk-fuzz-XXXXXX";
    require(mkdtemp(base_.data()) != nullptr, "there is a folder");
    require(mkdir((base_ + "/outside").c_str(), 0755) == 0, "there is a folder beside it");
    const UniqueFd file(open((base_ + "/outside/file").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
    require(write(file.get(), "kept", 4) == 4, "there is a file");
    clear();
    before_ = seen();
  }
  ~Scene() { static_cast<void>(local::rootfs::removePath(base_).ok()); }
  Scene(const Scene&) = delete;
  Scene& operator=(const Scene&) = delete;

  UniqueFd root() const { return UniqueFd(open((base_ + "/root").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)); }
  void check() const { require(seen() == before_, "nothing outside has changed"); }
  void clear() const {
    require(local::rootfs::removePath(base_ + "/root").ok(), "what was unpacked can be removed");
    require(mkdir((base_ + "/root").c_str(), 0755) == 0, "and made again");
  }

 private:
  // Every name outside with all that a write, a link or a change of mode would show in.
  std::string seen() const {
    std::set<std::string> lines;
    for (const auto& entry : std::filesystem::directory_iterator(base_)) lines.insert(entry.path());
    for (const auto& entry : std::filesystem::recursive_directory_iterator(base_ + "/outside")) {
      struct stat status {};
      lstat(entry.path().c_str(), &status);
      char line[256];
      snprintf(line, sizeof line, "%o %lu %ld %ld.%ld %ld.%ld", status.st_mode, status.st_nlink, status.st_size,
               status.st_mtim.tv_sec, status.st_mtim.tv_nsec, status.st_ctim.tv_sec, status.st_ctim.tv_nsec);
      lines.insert(entry.path().string() + line);
    }
    std::string all;
    for (const std::string& line : lines) all += line + "\n";
    return all;
  }

  std::string base_, before_;
};

}  // namespace

std::vector<std::string> seeds() {
  const std::string good = TarBuilder()
                               .folder("usr/")
                               .folder("usr/bin/")
                               .file("usr/bin/tool", "#!/bin/sh\necho tool\n", 0755)
                               .symlink("bin", "usr/bin")
                               .file("bin/second", "through a link")
                               .hardLink("usr/bin/third", "usr/bin/second")
                               .file("etc/.wh.gone", "")
                               .file("usr/.wh..wh..opq", "")
                               .done();
  const std::string escapes = TarBuilder()
                                  .symlink("out", "../outside")
                                  .file("out/file", "written through a link")
                                  .symlink("up", "../../../../../../../../tmp")
                                  .hardLink("same", "out/file")
                                  .file("same", "through a hard link")
                                  .file("out/.wh.file", "")
                                  .folder("out/new", 0777)
                                  .done();
  const std::string names = TarBuilder()
                                .pax({{"path", "long/" + std::string(200, 'n')}, {"mtime", "1700000000.5"}})
                                .file("short", "content")
                                .pax({{"linkpath", "../outside/file"}, {"size", "7"}})
                                .symlink("link", "x")
                                .entry('L', "././@LongLink", std::string("a/very/long/name\0", 17))
                                .file("cut", "content")
                                .entry('3', "dev/null")
                                .done();
  const std::string dots = TarBuilder()
                               .file("../outside/file", "straight")
                               .file("/etc/passwd", "absolute")
                               .folder("./", 0700)
                               .file("a/../b", "x")
                               .done();
  std::vector<std::string> all;
  for (const std::string& archive : {good, escapes, names, dots}) {
    all.push_back(std::string(1, '\1') + archive);
    all.push_back(std::string(1, '\0') + archive);
  }
  return all;
}

}  // namespace computesdk::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace computesdk::fuzz;
  using namespace computesdk::local::rootfs;
  static const Scene scene;
  if (size == 0) return 0;
  std::string archive(reinterpret_cast<const char*>(data) + 1, size - 1);
  if ((data[0] & 1) != 0) repair(archive);
  MemorySource source(std::move(archive));
  Allowance allowance{1 << 20, 256};
  {
    const auto root = scene.root();
    const auto applied = applyLayer(root.get(), source, allowance);
    require(applied.ok() || !applied.error().message.empty(), "a refusal says what it refuses");
  }
  scene.check();
  scene.clear();
  return 0;
}
