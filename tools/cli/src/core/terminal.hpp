#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

// The three standard descriptors: what they are, and writing to them byte by byte. stdout carries data, stderr
// everything else.
namespace computesdk::cli {

enum class ColorMode { automatic, always, never };

/// What is known of the terminal. Set once by `setUpTerminal`, then read from any thread.
struct Terminal {
  bool stdinIsTerminal = false;
  bool stdoutIsTerminal = false;
  bool stderrIsTerminal = false;
  bool colorOut = false;
  bool colorErr = false;
  bool live = false;  ///< stderr may carry status lines and bars: a terminal that is not dumb, outside of CI
};

/// Opens /dev/null on a standard descriptor that is closed, so that no file of ours becomes stdout, and looks at what
/// the descriptors are.
void setUpTerminal();
/// After the options are read. NO_COLOR, CLICOLOR_FORCE and TERM=dumb count in `automatic`; `quiet` ends `live`.
void chooseStyle(ColorMode mode, bool quiet);
const Terminal& terminal() noexcept;

enum class Style { plain, bold, dim, red, green, yellow };
/// The text in that style when stdout (or stderr) takes colours, else as it is.
std::string styledOut(std::string_view text, Style style);
std::string styledErr(std::string_view text, Style style);

/// Writes all of it. False when it cannot (nobody reads any more, disk full); errno says why. Retries EINTR unless the
/// program was told to stop. Thread-safe per descriptor, not atomic.
bool writeAll(int fd, std::string_view bytes) noexcept;
inline bool writeAll(int fd, std::span<const std::byte> bytes) noexcept {
  return writeAll(fd, std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
}

/// Data for stdout. Ends the program when stdout cannot take it: quietly with 141 when nobody reads any more, by an
/// Error otherwise.
void print(std::string_view text);
/// A line on stderr, as it is.
void printErr(std::string_view text) noexcept;
/// "warning: …" on stderr.
void warn(std::string_view text);

}  // namespace computesdk::cli
