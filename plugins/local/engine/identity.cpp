#include "identity.hpp"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "unique_fd.hpp"

namespace computesdk::local {

bool canBecome(std::uint32_t uid) {
  if (geteuid() != 0) return false;
  UniqueFd file(open("/proc/self/uid_map", O_RDONLY | O_CLOEXEC));
  char text[8192] = {};
  if (!file || read(file.get(), text, sizeof text - 1) <= 0) return true;
  const char* at = text;
  for (;;) {
    char* end = nullptr;
    const unsigned long long inside = strtoull(at, &end, 10);
    if (end == at) return false;
    strtoull(end, &end, 10);
    const unsigned long long count = strtoull(end, &end, 10);
    if (uid >= inside && uid - inside < count) return true;
    at = end;
  }
}

std::uint32_t unusedUid() {
  std::uint32_t random = 0;
  if (getrandom(&random, sizeof random, 0) != sizeof random) random = static_cast<std::uint32_t>(getpid());
  return 0x70000000U | (random & 0x07ffffffU);
}

std::uint32_t treeOwner() {
  constexpr std::uint32_t kTreeUid = 0x6fff0000;  // below those of unusedUid
  return canBecome(kTreeUid) ? kTreeUid : geteuid();
}

}  // namespace computesdk::local
