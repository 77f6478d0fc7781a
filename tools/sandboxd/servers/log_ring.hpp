#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace computesdk::sandboxd {

/// The last bytes of an output. Takes memory as it fills, at most twice its capacity. Not thread-safe.
class LogRing {
 public:
  explicit LogRing(std::size_t capacity) : capacity_(capacity) {}

  void append(std::string_view bytes);
  /// What is kept, oldest first. When older output was dropped it begins with a whole line if there is one, and never
  /// within a UTF-8 character.
  [[nodiscard]] std::string text() const;

 private:
  std::size_t capacity_;
  std::string bytes_;
  bool dropped_ = false;
};

/// What a server wrote: each stream, and both in the order in which they came. Not thread-safe.
struct ServerLog {
  static constexpr std::size_t kCapacity = 256 * 1024;

  LogRing out{kCapacity};
  LogRing err{kCapacity};
  LogRing combined{kCapacity};

  void appendOut(std::string_view bytes) {
    out.append(bytes);
    combined.append(bytes);
  }
  void appendErr(std::string_view bytes) {
    err.append(bytes);
    combined.append(bytes);
  }
};

}  // namespace computesdk::sandboxd
