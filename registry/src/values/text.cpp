#include "values/text.hpp"

#include <algorithm>
#include <cstdio>
#include <numeric>

namespace computesdk::registry {

std::string lowerCase(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

std::string join(const std::vector<std::string>& items, std::string_view separator) {
  std::string out;
  for (const std::string& item : items) {
    if (!out.empty()) out += separator;
    out += item;
  }
  return out;
}

std::string joinAnd(const std::vector<std::string>& items) {
  if (items.size() < 2) return items.empty() ? std::string{} : items.front();
  std::vector<std::string> head(items.begin(), items.end() - 1);
  return join(head, ", ") + " and " + items.back();
}

int editDistance(std::string_view a, std::string_view b, int limit) {
  auto difference = a.size() > b.size() ? a.size() - b.size() : b.size() - a.size();
  if (difference > static_cast<std::size_t>(limit)) return limit + 1;
  std::vector<int> line(b.size() + 1);
  std::iota(line.begin(), line.end(), 0);
  for (std::size_t i = 1; i <= a.size(); ++i) {
    int diagonal = line[0];
    line[0] = static_cast<int>(i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      int substitution = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = line[j];
      line[j] = std::min({substitution, line[j] + 1, line[j - 1] + 1});
    }
  }
  return std::min(line[b.size()], limit + 1);
}

std::string didYouMean(std::string_view wanted, const std::vector<std::string>& names) {
  constexpr int kLimit = 2;
  std::string best;
  int bestDistance = kLimit + 1;
  std::string lower = lowerCase(wanted);
  for (const std::string& name : names) {
    int distance = editDistance(lower, name, kLimit);
    // Two edits turn any two-letter name into any other: what is proposed must share something with what was typed.
    if (distance < bestDistance && distance < static_cast<int>(std::max(lower.size(), name.size()))) {
      best = name;
      bestDistance = distance;
    }
  }
  return best;
}

bool isControlAt(std::string_view text, std::size_t at) noexcept {
  auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  if (byte(at) < 0x20 || byte(at) == 0x7f) return true;
  return byte(at) == 0xc2 && at + 1 < text.size() && byte(at + 1) >= 0x80 && byte(at + 1) < 0xa0;
}

std::string printable(std::string_view text, std::size_t max) {
  std::string out;
  const std::string_view shown = text.substr(0, max);
  for (std::size_t i = 0; i < shown.size(); ++i) {
    if (!isControlAt(shown, i)) {
      out += shown[i];
      continue;
    }
    // The second byte of a C1 character is the one that tells which.
    if (static_cast<unsigned char>(shown[i]) == 0xc2) ++i;
    char buffer[8];
    std::snprintf(buffer, sizeof buffer, "\\x%02x", static_cast<unsigned char>(shown[i]));
    out += buffer;
  }
  if (text.size() > max) out += "…";
  return out;
}

std::string shellQuote(std::string_view text) {
  bool plain = !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("_-./:=@%+,").find(c) != std::string_view::npos;
  });
  if (plain) return std::string(text);
  std::string out = "'";
  for (char c : text) {
    if (c == '\'') {
      out += "'\\''";
    } else {
      out += c;
    }
  }
  return out + "'";
}

}  // namespace computesdk::registry
