#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace computesdk::cli {

/// Columns in plain text, two spaces apart, as wide as their widest cell; the last one is not padded. Control
/// characters in cells are shown as \xNN. Widths count UTF-8 characters.
class Table {
 public:
  explicit Table(std::vector<std::string_view> heads) : heads_(std::move(heads)) {}
  /// As many cells as there are heads; an empty one is shown as "-".
  void add(std::vector<std::string> cells);
  /// With a newline after each line.
  [[nodiscard]] std::string str() const;

 private:
  std::vector<std::string_view> heads_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace computesdk::cli
