#include "fakes.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>

// One of many programs that ask for the same name at once. Its sandboxes are folders that all of them see.
//   race_helper FOLDER wait|die     die: is killed in the middle of create
// Prints the id of the sandbox that it was given. Waits for the end of its standard input before it begins.
namespace computesdk {

namespace test {
namespace {

class FolderProvider : public FakeProvider {
 public:
  FolderProvider(std::filesystem::path folder, bool dies)
      : FakeProvider("one"), folder_(std::move(folder)), dies_(dies) {}

  Result<registry::SandboxRecord> create(const registry::CreateRequest&, const registry::CallContext&) override {
    registry::SandboxRecord record;
    record.info.id = "sb_" + std::to_string(::getpid());
    if (dies_) {
      std::filesystem::create_directory(folder_ / "died");
      ::_exit(9);
    }
    std::filesystem::create_directory(folder_ / record.info.id);
    return record;
  }
  Result<registry::SandboxRecord> inspect(const registry::Target& target, const registry::CallContext&) override {
    if (!std::filesystem::exists(folder_ / target.id)) return failure(ErrorCode::notFound, "gone");
    registry::SandboxRecord record;
    record.info.id = target.id;
    return record;
  }
  Result<void> destroy(const registry::Target& target, const registry::CallContext&) override {
    std::filesystem::remove(folder_ / target.id);
    return {};
  }

 private:
  const std::filesystem::path folder_;
  const bool dies_;
};

int run(const std::filesystem::path& folder, bool dies) {
  char byte = 0;
  while (::read(0, &byte, 1) > 0) {
  }
  auto registry = std::make_shared<FakeRegistry>();
  registry->add(std::make_shared<FolderProvider>(folder / "boxes", dies));
  detail::Seams seams;
  seams.registry = registry;
  seams.claims.lease = std::chrono::milliseconds(1500);
  Compute compute = computeOver(seams);
  compute.setConfig({.stateDirectory = folder / "state"});
  auto sandbox = compute.sandbox().findOrCreate(nothrow, {.name = "app"});
  if (!sandbox) {
    std::fprintf(stderr, "%s\n", formatError(sandbox.error()).c_str());
    return 1;
  }
  std::printf("%s", sandbox->sandboxId().c_str());
  return 0;
}

}  // namespace
}  // namespace test
}  // namespace computesdk

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  return computesdk::test::run(argv[1], std::string_view(argv[2]) == "die");
}
