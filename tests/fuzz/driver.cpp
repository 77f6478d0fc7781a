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

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <random>
#include <sstream>
#include <string_view>

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

class Mutator {
 public:
  explicit Mutator(std::uint64_t seed) : random_(seed), seeds_(seeds()) {}

  std::string next() {
    std::string input = any();
    for (std::size_t i = 0, count = below(8); i < count; ++i) change(input);
    constexpr std::size_t kMost = 1 << 17;
    if (input.size() > kMost) input.resize(kMost);
    return input;
  }

 private:
  std::size_t below(std::size_t limit) { return limit == 0 ? 0 : random_() % limit; }
  const std::string& any() { return seeds_[below(seeds_.size())]; }

  void change(std::string& input) {
    const std::size_t at = below(input.size() + 1);
    const std::size_t rest = input.size() - at, length = std::min(rest, below(64) + 1);
    switch (below(9)) {
      case 0:
        if (rest > 0) input[at] = static_cast<char>(input[at] ^ (1 << below(8)));
        break;
      case 1:
        if (rest > 0) input[at] = static_cast<char>(random_());
        break;
      case 2: number(input, at); break;
      case 3: input.erase(at, length); break;
      case 4: input.insert(at, input.substr(at, length)); break;
      case 5: input.insert(at, below(64) + 1, static_cast<char>(below(2) * below(256))); break;
      case 6: input.resize(at); break;
      case 7: {  // a piece of another
        const std::string& other = any();
        const std::size_t from = below(other.size() + 1);
        input.replace(at, length, other.substr(from, below(512) + 1));
        break;
      }
      default: {  // a piece of its own elsewhere
        const std::string piece = input.substr(below(input.size() + 1), length);
        if (piece.size() <= rest) input.replace(at, piece.size(), piece);
      }
    }
  }

  // Sizes and counts are where parsers go wrong: one more, one less, none, the largest.
  void number(std::string& input, std::size_t at) {
    constexpr std::size_t kWidths[] = {1, 2, 4, 8};
    const std::size_t width = kWidths[below(4)];
    at -= at % std::min<std::size_t>(width, 4);  // of frames, they are aligned
    if (at + width > input.size()) return;
    std::uint64_t value = 0;
    for (std::size_t i = width; i-- > 0;) value = value << 8 | static_cast<std::uint8_t>(input[at + i]);
    constexpr std::uint64_t kEdges[] = {0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0xffff, 0x10000, 0x7fffffff, 0x80000000};
    switch (below(4)) {
      case 0: value += below(16) + 1; break;
      case 1: value -= below(16) + 1; break;
      case 2: value = kEdges[below(std::size(kEdges))]; break;
      default: value = ~kEdges[below(std::size(kEdges))];
    }
    for (std::size_t i = 0; i < width; ++i) input[at + i] = static_cast<char>(value >> (8 * i));
  }

  std::mt19937_64 random_;
  const std::vector<std::string> seeds_;
};

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
  Mutator mutator(seed);
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
      seconds = atof(argv[++i]);
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
