#include "core/terminal.hpp"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "core/failure.hpp"
#include "core/interrupt.hpp"

namespace computesdk::cli {
namespace {

Terminal theTerminal;

std::string_view terminalVariable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string_view{} : std::string_view(value);
}

std::string styled(std::string_view text, Style style, bool color) {
  if (!color || style == Style::plain) return std::string(text);
  const char* code = "";
  switch (style) {
    case Style::plain: break;
    case Style::bold: code = "\033[1m"; break;
    case Style::dim: code = "\033[2m"; break;
    case Style::red: code = "\033[1;31m"; break;
    case Style::green: code = "\033[32m"; break;
    case Style::yellow: code = "\033[33m"; break;
  }
  return code + std::string(text) + "\033[0m";
}

}  // namespace

const Terminal& terminal() noexcept { return theTerminal; }

void setUpTerminal() {
  for (int fd = 0; fd < 3; ++fd) {
    // open gives the lowest free number, and those below are in use by now.
    if (fcntl(fd, F_GETFD) == -1 && errno == EBADF && open("/dev/null", fd == 0 ? O_RDONLY : O_WRONLY) != fd)
      _exit(125);
  }
  theTerminal.stdinIsTerminal = isatty(0) == 1;
  theTerminal.stdoutIsTerminal = isatty(1) == 1;
  theTerminal.stderrIsTerminal = isatty(2) == 1;
}

void chooseStyle(ColorMode mode, bool quiet) {
  bool dumb = terminalVariable("TERM") == "dumb" || terminalVariable("TERM").empty();
  bool force = !terminalVariable("CLICOLOR_FORCE").empty() && terminalVariable("CLICOLOR_FORCE") != "0";
  auto color = [&](bool isTerminal) {
    if (mode != ColorMode::automatic) return mode == ColorMode::always;
    if (!terminalVariable("NO_COLOR").empty()) return false;
    return force || (isTerminal && !dumb);
  };
  theTerminal.colorOut = color(theTerminal.stdoutIsTerminal);
  theTerminal.colorErr = color(theTerminal.stderrIsTerminal);
  theTerminal.live = theTerminal.stderrIsTerminal && !dumb && !quiet && terminalVariable("CI").empty();
}

std::string styledOut(std::string_view text, Style style) { return styled(text, style, theTerminal.colorOut); }
std::string styledErr(std::string_view text, Style style) { return styled(text, style, theTerminal.colorErr); }

bool writeAll(int fd, std::string_view bytes) noexcept {
  WriterMark mark;
  while (!bytes.empty()) {
    ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(written));
    } else if (errno == EINTR) {
      if (interrupted() != 0) return false;
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      // Somebody else made our terminal or pipe non-blocking; waiting is what we would have done.
      pollfd wait{fd, POLLOUT, 0};
      if (poll(&wait, 1, -1) < 0 && errno == EINTR && interrupted() != 0) return false;
    } else {
      return false;
    }
  }
  return true;
}

void print(std::string_view text) {
  if (writeAll(STDOUT_FILENO, text)) return;
  if (errno == EPIPE) std::exit(128 + 13);
  if (interrupted() != 0) std::exit(128 + interrupted());
  throw Error(stdoutFailure(errno));
}

void printErr(std::string_view text) noexcept { writeAll(STDERR_FILENO, text); }

void warn(std::string_view text) { printErr(styledErr("warning:", Style::yellow) + " " + std::string(text) + "\n"); }

}  // namespace computesdk::cli
