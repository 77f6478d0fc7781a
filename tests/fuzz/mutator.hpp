// Good inputs, spoilt: always the same ones for the same seed.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace computesdk::fuzz {

class Mutator {
 public:
  Mutator(std::vector<std::string> seeds, std::uint64_t seed) : random_(seed), seeds_(std::move(seeds)) {}

  // At most 128 KiB.
  std::string next() {
    std::string input = any();
    for (std::size_t i = 0, count = below(8); i < count; ++i) change(input);
    constexpr std::size_t kMost = 1 << 17;
    if (input.size() > kMost) input.resize(kMost);
    return input;
  }
  // A number from 0 to `limit` - 1.
  std::size_t below(std::size_t limit) { return limit == 0 ? 0 : random_() % limit; }

 private:
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

}  // namespace computesdk::fuzz
