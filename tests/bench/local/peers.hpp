// Other sandboxes of this machine, each running /bin/true as a whole process.
#pragma once

#include <string>
#include <vector>

namespace computesdk::bench {

struct Peer {
  std::string name;
  std::vector<std::string> argv;
};

// Those that are installed and whose trial run ends with 0. The OCI runtimes get a bundle over the host's /usr in a
// temporary folder, which is removed when the program ends. podman and docker count only with an image that is there.
std::vector<Peer> usablePeers();

}  // namespace computesdk::bench
