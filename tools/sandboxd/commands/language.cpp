#include "commands/language.hpp"

#include <algorithm>
#include <cctype>

namespace computesdk::sandboxd {
namespace {

const std::vector<Language>& languages() {
  static const std::vector<Language> all = {
      {"python", {"python", "python3", "py"}, {"python3", "python"}, {}, ".py"},
      {"node", {"node", "javascript", "js", "nodejs"}, {"node", "nodejs"}, {}, ".js"},
      {"bash", {"bash"}, {"bash"}, {}, ".sh"},
      {"sh", {"sh", "shell"}, {"sh"}, {}, ".sh"},
      {"ruby", {"ruby", "rb"}, {"ruby"}, {}, ".rb"},
      {"deno", {"deno"}, {"deno"}, {"run", "-A"}, ".ts"},
      {"bun", {"bun"}, {"bun"}, {"run"}, ".ts"},
  };
  return all;
}

bool isWord(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '$'; }

/// Takes `word` from the front of a line when it stands alone there.
bool takeWord(std::string_view& line, std::string_view word) {
  if (line.substr(0, word.size()) != word) return false;
  if (line.size() > word.size() && isWord(line[word.size()])) return false;
  line.remove_prefix(word.size());
  return true;
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front())) != 0) text.remove_prefix(1);
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back())) != 0) text.remove_suffix(1);
  return text;
}

/// `word` followed by `next`, the word standing alone before: "console" and ".", "print" and "(".
bool holdsCall(std::string_view line, std::string_view word, char next) {
  for (auto at = line.find(word); at != std::string_view::npos; at = line.find(word, at + 1)) {
    const auto after = at + word.size();
    const bool begins = at == 0 || (!isWord(line[at - 1]) && line[at - 1] != '.');
    if (begins && after < line.size() && line[after] == next) return true;
  }
  return false;
}

/// f"…" or f'…' where an expression may begin.
bool holdsFormatString(std::string_view line) {
  for (const std::string_view mark : {"f\"", "f'"}) {
    for (auto at = line.find(mark); at != std::string_view::npos; at = line.find(mark, at + 1)) {
      if (at == 0 || (!isWord(line[at - 1]) && line[at - 1] != '"' && line[at - 1] != '\'')) return true;
    }
  }
  return false;
}

bool isPythonImport(std::string_view line) {
  auto rest = line;
  if (takeWord(rest, "from")) return rest.find(" import ") != std::string_view::npos;
  if (!takeWord(rest, "import")) return false;
  rest = trim(rest);
  // JavaScript goes on with a quote, braces, a star, or has its `from` behind.
  return !rest.empty() && isWord(rest.front()) && rest.find(" from ") == std::string_view::npos &&
         rest.find('\'') == std::string_view::npos && rest.find('"') == std::string_view::npos && rest.back() != ';';
}

int nodePoints(std::string_view line) {
  int points = 0;
  auto rest = line;
  if (takeWord(rest, "const") || takeWord(rest, "let") || takeWord(rest, "function")) ++points;
  if (line.find("=>") != std::string_view::npos) ++points;
  if (holdsCall(line, "console", '.')) points += 2;
  if (holdsCall(line, "require", '(')) points += 2;
  return points;
}

int pythonPoints(std::string_view line) {
  int points = 0;
  auto rest = line;
  if (isPythonImport(line)) points += 2;
  if ((takeWord(rest, "def") || takeWord(rest, "class")) && line.back() == ':') points += 2;
  rest = line;
  if (takeWord(rest, "elif")) points += 2;
  rest = line;
  if (takeWord(rest, "raise")) ++points;
  rest = line;
  const bool isFunction = takeWord(rest, "def") && rest.find('(') != std::string_view::npos;
  if (isFunction && rest.find("):") != std::string_view::npos && line.back() != ':') ++points;
  if (holdsCall(line, "print", '(')) ++points;
  if (holdsFormatString(line)) ++points;
  return points;
}

}  // namespace

const Language* languageNamed(std::string_view name) {
  std::string lower(name);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
  for (const auto& language : languages()) {
    if (std::count(language.aliases.begin(), language.aliases.end(), lower) > 0) return &language;
  }
  return nullptr;
}

std::string languageNames() {
  std::string out;
  for (const auto& language : languages()) {
    for (const auto alias : language.aliases) out.append(out.empty() ? "" : ", ").append(alias);
  }
  return out;
}

std::string_view detectLanguage(std::string_view code) {
  int node = 0, python = 0;
  for (std::string_view rest = code; !rest.empty();) {
    const auto end = rest.find('\n');
    const auto line = trim(rest.substr(0, end));
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
    if (line.empty()) continue;
    node += nodePoints(line);
    python += pythonPoints(line);
  }
  return python > node ? "python" : "node";
}

bool isModule(std::string_view code) {
  for (std::string_view rest = code; !rest.empty();) {
    const auto end = rest.find('\n');
    auto line = trim(rest.substr(0, end));
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
    auto word = line;
    if (takeWord(word, "export")) return true;
    word = line;
    if (!takeWord(word, "import")) continue;
    word = trim(word);
    if (!word.empty() && word.front() != '(' && word.front() != '.') return true;
  }
  return false;
}

}  // namespace computesdk::sandboxd
