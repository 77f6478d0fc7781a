#include "world.hpp"

#include <unistd.h>

#include <cstdio>
#include <string_view>

// One of several gateways that are asked for the same name at once.
//   store_race_helper URL FOLDER ID ask|die-before|die-after|serve
// ask: prints the id of the sandbox that it was given. die-…: dies in the middle of making it, before or after the
// provider has. serve: answers each line of standard input (a name) with the id or an error, a line each.
// Waits for the end of a byte on standard input before it begins, ask and die.
namespace computesdk::gateway::test {
namespace {

int answer(NamedSandboxes& named, const SandboxRecord& draft, const NamedSandboxes::Make& make) {
  auto got = named.findOrCreate(draft, make, {.lease = milliseconds(400)}, SteadyClock::now() + seconds(20));
  if (!got) {
    std::printf("error %s\n", got.error().firstLine().c_str());
  } else {
    std::printf("%s\n", got->state == SandboxState::running ? got->id.c_str() : "creating");
  }
  std::fflush(stdout);
  return got ? 0 : 1;
}

int serve(NamedSandboxes& named, World& world) {
  char line[256];
  while (std::fgets(line, sizeof line, stdin) != nullptr) {
    std::string name = line;
    name.pop_back();
    answer(named, draftOf(newUuid(), name), world.maker());
  }
  return 0;
}

int run(const char* url, const char* folder, const std::string& id, std::string_view how) {
  auto store = Store::open(url);
  if (!store) return 3;
  World world(folder);
  NamedSandboxes named(*store, world.calls());
  if (how == "serve") return serve(named, world);
  char byte = 0;
  while (::read(0, &byte, 1) > 0) {
  }
  return answer(named, draftOf(id, "app"), [&](const SandboxRecord& draft) {
    if (how == "die-before") ::_exit(9);
    auto made = world.make(draft);
    if (how == "die-after") ::_exit(9);
    return made;
  });
}

}  // namespace
}  // namespace computesdk::gateway::test

int main(int argc, char** argv) {
  if (argc != 5) return 2;
  return computesdk::gateway::test::run(argv[1], argv[2], argv[3], argv[4]);
}
