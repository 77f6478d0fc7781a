#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <string>

namespace computesdk::simulators {

/// Reads multipart/form-data part by part, of any size.
class Multipart {
 public:
  using Next = std::function<std::optional<std::string>()>;  ///< the next bytes; nothing at the end
  Multipart(std::string boundary, Next next);

  struct Part {
    std::string name, filename;
  };
  /// Skips what is left of the part before. Nothing: there is no further part.
  std::optional<Part> nextPart();
  /// The part's bytes; 0 at its end.
  std::size_t read(std::span<std::byte> into);
  /// Whether the body broke off inside a part.
  [[nodiscard]] bool broken() const noexcept { return broken_; }

 private:
  bool more();
  bool takeLine(std::string& line);

  const std::string delimiter_;  ///< with the line break before it
  const Next next_;
  std::string buffer_ = "\r\n";  ///< so that the first delimiter looks like the others
  bool inPart_ = true;           ///< what is before the first delimiter is skipped like a part
  bool broken_ = false, ended_ = false;
};

}  // namespace computesdk::simulators
