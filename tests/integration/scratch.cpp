#include "scratch.hpp"

#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <stdexcept>

namespace computesdk::testing {

namespace fs = std::filesystem;

Scratch::Scratch() {
  std::string name = fs::temp_directory_path() / "csdk-test-XXXXXX";
  if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("cannot make " + name);
  path_ = name;
  ::setenv("XDG_RUNTIME_DIR", path_.c_str(), 1);
}

Scratch::~Scratch() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

ComputeConfig Scratch::localConfig() const {
  ComputeConfig config;
  config.provider = "local";
  config.stateDirectory = path_ / "state";
  return config;
}

int processesWith(const std::string& text) {
  int count = 0;
  for (const auto& entry : fs::directory_iterator("/proc")) {
    const std::string name = entry.path().filename();
    if (!std::all_of(name.begin(), name.end(), [](unsigned char c) { return std::isdigit(c); })) continue;
    std::ifstream file(entry.path() / "cmdline");
    const std::string line{std::istreambuf_iterator<char>(file), {}};
    if (line.find(text) != std::string::npos && std::to_string(::getpid()) != name) ++count;
  }
  return count;
}

}  // namespace computesdk::testing
