// Feeds a fuzz target where libFuzzer is not at hand.
//
//   TARGET [--seconds N] [--seed S] [--write-seeds DIR] [FILE…]
//
// With files: each of them once. Else mutations of the target's seeds, always the same for the same S. An input that
// ends the program is left in crash-TARGET.
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string_view>

#include "mutator.hpp"
#include "target.hpp"

extern "C" void __sanitizer_set_death_callback(void (*callback)()) __attribute__((weak));

namespace {

using computesdk::fuzz::seeds;

const std::string* current = nullptr;
char crashName[256] = "crash";

void keepInput() {
  if (current == nullptr) return;
  const int file = open(crashName, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (file < 0) return;
  if (write(file, current->data(), current->size()) == static_cast<ssize_t>(current->size())) {
    fprintf(stderr, "the input is in %s\n", crashName);
  }
  close(file);
}

void onSignal(int number) {
  keepInput();
  signal(number, SIG_DFL);
  raise(number);
}

void feed(const std::string& input) {
  current = &input;
  // Exactly as large as it is, so that a sanitizer sees the first byte too many.
  const std::vector<std::uint8_t> bytes(input.begin(), input.end());
  LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
  current = nullptr;
}

int writeSeeds(const std::string& folder) {
  int number = 0;
  for (const std::string& seed : seeds()) {
    std::ofstream file(folder + "/seed-" + std::to_string(number++), std::ios::binary);
    if (!(file << seed)) {
      fprintf(stderr, "cannot write to %s\n", folder.c_str());
      return 1;
    }
  }
  printf("%d seeds\n", number);
  return 0;
}

int mutate(double seconds, std::uint64_t seed) {
  for (const std::string& good : seeds()) feed(good);
  feed({});
  computesdk::fuzz::Mutator mutator(seeds(), seed);
  using Clock = std::chrono::steady_clock;
  const auto end = Clock::now() + std::chrono::duration<double>(seconds);
  std::uint64_t count = 0;
  for (; Clock::now() < end; ++count) feed(mutator.next());
  printf("%llu inputs\n", static_cast<unsigned long long>(count));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view program = argv[0];
  snprintf(crashName, sizeof crashName, "crash-%s", program.substr(program.rfind('/') + 1).data());
  double seconds = 10;
  std::uint64_t seed = 1;
  std::vector<std::string> files;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word.starts_with("--") && i + 1 == argc) {
      fprintf(stderr, "%s needs a value\n", argv[i]);
      return 2;
    }
    if (word == "--seconds") {
      seconds = strtod(argv[++i], nullptr);
    } else if (word == "--seed") {
      seed = strtoull(argv[++i], nullptr, 10);
    } else if (word == "--write-seeds") {
      return writeSeeds(argv[++i]);
    } else {
      files.push_back(word);
    }
  }
  if (__sanitizer_set_death_callback != nullptr) __sanitizer_set_death_callback(keepInput);
  for (const int number : {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGALRM}) signal(number, onSignal);
  if (files.empty()) return mutate(seconds, seed);
  for (const std::string& name : files) {
    std::ifstream file(name, std::ios::binary);
    std::stringstream bytes;
    if (!file || !(bytes << file.rdbuf())) {
      fprintf(stderr, "cannot read %s\n", name.c_str());
      return 2;
    }
    feed(bytes.str());
  }
  printf("%zu inputs\n", files.size());
  return 0;
}
