#include "core/table.hpp"

#include <algorithm>

#include "core/terminal.hpp"
#include "core/units.hpp"

namespace computesdk::cli {
void Table::add(std::vector<std::string> cells) {
  for (std::string& cell : cells) cell = cell.empty() ? "-" : printable(cell);
  rows_.push_back(std::move(cells));
}

std::string Table::str() const {
  std::vector<std::size_t> widths;
  for (std::string_view head : heads_) widths.push_back(textWidth(head));
  for (const auto& row : rows_) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], textWidth(row[i]));
  }
  auto line = [&](const auto& cells) {
    std::string text;
    for (std::size_t i = 0; i < cells.size(); ++i) {
      text += cells[i];
      if (i + 1 < cells.size()) text.append(widths[i] - textWidth(cells[i]) + 2, ' ');
    }
    return text;
  };
  std::string out = styledOut(line(heads_), Style::bold) + "\n";
  for (const auto& row : rows_) out += line(row) + "\n";
  return out;
}

}  // namespace computesdk::cli
