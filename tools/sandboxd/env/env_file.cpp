#include "env/env_file.hpp"

#include <algorithm>

namespace computesdk::sandboxd {
namespace {

bool isBlank(char c) { return c == ' ' || c == '\t'; }
bool isLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool isDigit(char c) { return c >= '0' && c <= '9'; }
// Of keys in files; what is written has less.
bool isKeyCharacter(char c) { return isLetter(c) || isDigit(c) || c == '.' || c == '-'; }

std::size_t skipBlanks(std::string_view text, std::size_t at) {
  while (at < text.size() && isBlank(text[at])) ++at;
  return at;
}

// Past the line's end.
std::size_t lineEnd(std::string_view text, std::size_t at) {
  const std::size_t end = text.find('\n', at);
  return end == std::string_view::npos ? text.size() : end + 1;
}

// Past the closing quote of a piece that opens at `at`; npos when there is none.
std::size_t quotedPiece(std::string_view text, std::size_t at, std::string& value) {
  const char quote = text[at++];
  for (; at < text.size(); ++at) {
    const char c = text[at];
    if (c == quote) return at + 1;
    if (quote == '"' && c == '\\' && at + 1 < text.size()) {
      const char next = text[++at];
      switch (next) {
        case 'n': value += '\n'; break;
        case 'r': value += '\r'; break;
        case 't': value += '\t'; break;
        case '"':
        case '\\':
        case '$':
        case '`': value += next; break;
        case '\n': break;  // a line that goes on, as in a shell
        default: value.append({'\\', next});
      }
    } else {
      value += c;
    }
  }
  return std::string_view::npos;
}

// Quoted pieces and what stands between them without a blank ('it'\''s'). npos when a quote is open at the end.
std::size_t quotedValue(std::string_view text, std::size_t at, std::string& value) {
  while (at < text.size()) {
    const char c = text[at];
    if (c == '\'' || c == '"') {
      at = quotedPiece(text, at, value);
      if (at == std::string_view::npos) return at;
    } else if (isBlank(c) || c == '\n' || c == '\r') {
      break;
    } else if (c == '\\' && at + 1 < text.size() && text[at + 1] != '\n' && text[at + 1] != '\r') {
      value += text[at + 1];
      at += 2;
    } else {
      value += c;
      ++at;
    }
  }
  return at;
}

// To the end of the line, or to a comment behind a blank; without blanks at its end.
std::size_t plainValue(std::string_view text, std::size_t at, std::string& value) {
  const std::size_t begin = at;
  std::size_t end = at;
  for (; at < text.size() && text[at] != '\n'; ++at) {
    if (text[at] == '#' && (at == begin || isBlank(text[at - 1]))) break;
    if (!isBlank(text[at]) && text[at] != '\r') end = at + 1;
  }
  value = text.substr(begin, end - begin);
  return end;
}

}  // namespace

EnvFile::Entry EnvFile::parseEntry(std::string_view text, std::size_t& at) {
  const std::size_t begin = at, end = lineEnd(text, at);
  const auto noAssignment = [&] {
    at = end;
    return Entry{std::string(text.substr(begin, end - begin)), {}, {}, {}, {}};
  };
  std::size_t keyBegin = begin;
  if (begin == 0 && text.starts_with("\xef\xbb\xbf")) keyBegin += 3;
  keyBegin = skipBlanks(text, keyBegin);
  constexpr std::string_view kExport = "export";
  if (text.substr(keyBegin).starts_with(kExport)) {
    const std::size_t after = skipBlanks(text, keyBegin + kExport.size());
    if (after > keyBegin + kExport.size() && after < text.size() && isLetter(text[after])) keyBegin = after;
  }
  std::size_t keyEnd = keyBegin;
  while (keyEnd < text.size() && isKeyCharacter(text[keyEnd])) ++keyEnd;
  const std::size_t equals = skipBlanks(text, keyEnd);
  if (keyEnd == keyBegin || !isLetter(text[keyBegin]) || equals >= text.size() || text[equals] != '=') {
    return noAssignment();
  }
  Entry entry;
  entry.before = text.substr(begin, keyBegin - begin);
  entry.key = text.substr(keyBegin, keyEnd - keyBegin);
  const std::size_t valueBegin = skipBlanks(text, equals + 1);
  std::size_t valueEnd = std::string_view::npos;
  if (valueBegin < text.size() && (text[valueBegin] == '\'' || text[valueBegin] == '"')) {
    valueEnd = quotedValue(text, valueBegin, entry.value);
    entry.openQuote = valueEnd == std::string_view::npos;
  }
  if (valueEnd == std::string_view::npos) valueEnd = plainValue(text, valueBegin, entry.value);
  valueEnd = std::max(valueEnd, equals + 1);
  at = lineEnd(text, valueEnd);
  entry.assignment = text.substr(keyEnd, valueEnd - keyEnd);
  entry.after = text.substr(valueEnd, at - valueEnd);
  return entry;
}

EnvFile EnvFile::parse(std::string_view text) {
  EnvFile file;
  for (std::size_t at = 0; at < text.size();) file.add(parseEntry(text, at));
  return file;
}

void EnvFile::add(Entry entry) {
  if (!entry.key.empty()) places_[entry.key].push_back(entries_.size());
  openQuotes_ = openQuotes_ || entry.openQuote;
  entries_.push_back(std::move(entry));
}

EnvFile::Variables EnvFile::variables() const {
  Variables variables;
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    const auto at = places_.find(entries_[i].key);
    if (at == places_.end() || at->second.front() != i) continue;  // no assignment, or not the key's first
    variables.emplace_back(at->first, entries_[at->second.back()].value);
  }
  return variables;
}

std::optional<std::string> EnvFile::find(std::string_view key) const {
  const auto at = places_.find(key);
  return at == places_.end() ? std::nullopt : std::optional(entries_[at->second.back()].value);
}

std::string EnvFile::text() const {
  std::string text;
  for (const Entry& e : entries_) text.append(e.before).append(e.key).append(e.assignment).append(e.after);
  return text;
}

void EnvFile::rewrite(Entry& entry, std::string_view value) {
  entry.value = value;
  entry.assignment = "=" + quote(value);
  entry.openQuote = false;
  // A comment stays. Words behind a quoted value would be a command for a shell; the end of the line is kept.
  const std::size_t first = skipBlanks(entry.after, 0);
  const bool comment = first > 0 && first < entry.after.size() && entry.after[first] == '#';
  if (!comment) entry.after = entry.after.ends_with("\r\n") ? "\r\n" : "\n";
}

void EnvFile::endOpenQuotes() {
  if (!std::exchange(openQuotes_, false)) return;
  for (Entry& entry : entries_) {
    if (entry.openQuote) rewrite(entry, std::string(entry.value));
  }
}

void EnvFile::set(std::string_view key, std::string_view value) {
  endOpenQuotes();
  if (const auto at = places_.find(key); at != places_.end()) {
    Entry& entry = entries_[at->second.back()];
    if (entry.value != value) rewrite(entry, value);
    return;
  }
  if (!entries_.empty()) {
    Entry& last = entries_.back();
    std::string& end = last.key.empty() ? last.before : last.after;
    const bool removed = last.key.empty() && end.empty();
    if (!removed && !end.ends_with('\n')) end += '\n';
  }
  Entry entry;
  entry.key = key;
  entry.after = "\n";
  entry.value = value;
  entry.assignment = "=" + quote(value);
  add(std::move(entry));
}

bool EnvFile::remove(std::string_view key) {
  const auto at = places_.find(key);
  if (at == places_.end()) return false;
  endOpenQuotes();
  for (const std::size_t place : at->second) entries_[place] = {};
  places_.erase(at);
  return true;
}

bool EnvFile::validKey(std::string_view key) {
  return !key.empty() && isLetter(key.front()) &&
         std::all_of(key.begin(), key.end(), [](char c) { return isLetter(c) || isDigit(c); });
}

bool EnvFile::validValue(std::string_view value) { return value.find('\0') == std::string_view::npos; }

std::string EnvFile::quote(std::string_view value) {
  constexpr std::string_view kHarmless = "./:@%+,-=";
  if (std::all_of(value.begin(), value.end(),
                  [&](char c) { return isLetter(c) || isDigit(c) || kHarmless.find(c) != std::string_view::npos; })) {
    return std::string(value);
  }
  if (value.find('\'') == std::string_view::npos) return "'" + std::string(value) + "'";
  std::string quoted = "\"";
  for (const char c : value) {
    if (c == '"' || c == '\\' || c == '$' || c == '`') quoted += '\\';
    quoted += c;
  }
  return quoted + '"';
}

}  // namespace computesdk::sandboxd
