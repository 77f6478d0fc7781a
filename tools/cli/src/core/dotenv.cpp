#include "core/dotenv.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace computesdk::cli {
namespace {

bool isNameCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '-';
}

bool isBlank(char c) { return c == ' ' || c == '\t' || c == '\r'; }

/// Walks the text once; knows the line it is on.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  [[nodiscard]] bool atEnd() const { return at_ >= text_.size(); }
  [[nodiscard]] char peek() const { return atEnd() ? '\n' : text_[at_]; }
  [[nodiscard]] int line() const { return line_; }
  char next() {
    char c = peek();
    if (c == '\n') ++line_;
    ++at_;
    return c;
  }
  void skipBlanks() {
    while (!atEnd() && isBlank(peek())) next();
  }
  void skipLine() {
    while (!atEnd() && next() != '\n') {
    }
  }
  bool skipWord(std::string_view word) {
    if (!text_.substr(at_).starts_with(word)) return false;
    at_ += word.size();
    return true;
  }
  std::string takeName() {
    std::string name;
    while (!atEnd() && isNameCharacter(peek())) name += next();
    return name;
  }
  /// What stands between two quotes, or nothing when the second one is missing.
  std::optional<std::string> takeQuoted() {
    char quote = peek();
    auto end = at_ + 1;
    while (end < text_.size() && text_[end] != quote) end += text_[end] == '\\' && quote == '"' ? 2 : 1;
    if (end >= text_.size()) return std::nullopt;
    std::string value;
    next();
    while (at_ < end) {
      char c = next();
      if (quote == '"' && c == '\\') {
        char escaped = next();
        if (escaped == 'n') {
          value += '\n';
        } else if (escaped == 'r') {
          value += '\r';
        } else {
          value += '\\';
          value += escaped;
        }
      } else {
        value += c;
      }
    }
    next();
    return value;
  }
  std::string takePlain() {
    std::string value;
    while (!atEnd() && peek() != '\n' && peek() != '#') value += next();
    while (!value.empty() && isBlank(value.back())) value.pop_back();
    return value;
  }

 private:
  std::string_view text_;
  std::size_t at_ = 0;
  int line_ = 1;
};

ErrorInfo unreadable(const std::string& path, std::string why) {
  ErrorInfo error;
  error.code = ErrorCode::config;
  error.what = "cannot read " + path;
  error.why = std::move(why);
  error.fix = "correct the file, or run the command in another folder";
  return error;
}

}  // namespace

DotEnv parseDotEnv(std::string_view text) {
  DotEnv values;
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  Scanner scanner(text);
  while (!scanner.atEnd()) {
    scanner.skipBlanks();
    if (scanner.skipWord("export ")) scanner.skipBlanks();
    int line = scanner.line();
    std::string name = scanner.takeName();
    scanner.skipBlanks();
    if (name.empty() || scanner.peek() != '=') {
      scanner.skipLine();
      continue;
    }
    scanner.next();
    scanner.skipBlanks();
    std::optional<std::string> value;
    char first = scanner.peek();
    if (!scanner.atEnd() && (first == '"' || first == '\'' || first == '`')) value = scanner.takeQuoted();
    if (!value) value = scanner.takePlain();
    scanner.skipLine();
    values.insert_or_assign(std::move(name), DotEnvValue{std::move(*value), line});
  }
  return values;
}

Result<std::optional<std::string>> readOwnFile(const std::string& path, std::string& warning) {
  static constexpr std::size_t kMaxBytes = std::size_t{1} << 20;
  int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0 && (errno == ENOENT || errno == ENOTDIR)) return std::optional<std::string>{};
  if (fd < 0) return unreadable(path, std::strerror(errno));
  struct Closer {
    int fd;
    ~Closer() { close(fd); }
  } closer{fd};
  struct stat status = {};
  if (fstat(fd, &status) != 0) return unreadable(path, std::strerror(errno));
  if (!S_ISREG(status.st_mode)) return unreadable(path, "it is not a regular file");
  if (status.st_uid != geteuid() && status.st_uid != 0) {
    warning = path + " is not read: it belongs to another user (uid " + std::to_string(status.st_uid) + ")";
    return std::optional<std::string>{};
  }
  if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    warning = path + " is not read: others may write it; chmod go-w " + path;
    return std::optional<std::string>{};
  }
  std::string text;
  char buffer[16384];
  for (;;) {
    ssize_t got = read(fd, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return unreadable(path, std::strerror(errno));
    if (got == 0) break;
    text.append(buffer, static_cast<std::size_t>(got));
    if (text.size() > kMaxBytes) return unreadable(path, "it is longer than 1 MiB");
  }
  return std::optional<std::string>{std::move(text)};
}

}  // namespace computesdk::cli
