#include "daytona/command.hpp"

#include "common/base64.hpp"

#include <computesdk/provider/error.hpp>

#include <charconv>

namespace computesdk::daytona {
namespace {

constexpr std::size_t kLineMax = std::size_t{1} << 20;
constexpr int kMark = 3;

plugin::Error unreadable() {
  return plugin::Error(CSDK_UNAVAILABLE, "a command's output came in a form that nobody writes")
      .errorClass(CSDK_ERROR_PROTOCOL)
      .maybeApplied();
}

}  // namespace

void LogDecoder::feed(std::string_view bytes) {
  for (const char c : bytes) {
    if (c == 1 || c == 2) {  // a runner's lines hold neither
      if (c != markByte_) markSize_ = 0;
      markByte_ = c;
      if (++markSize_ < kMark) continue;
      current_ = c == 1 ? Channel::standardOutput : Channel::standardError;
      markSize_ = 0;
    } else {
      if (markSize_ != 0) throw unreadable();
      take(c);
    }
  }
}

void LogDecoder::feed(Channel channel, std::string_view bytes) {
  current_ = channel;
  for (const char c : bytes) take(c);
}

void LogDecoder::take(char c) {
  Stream& stream = streams_[static_cast<int>(current_)];
  if (c == '\n') {
    line(current_, stream);
    stream.line.clear();
  } else if (c != '\r') {
    if (stream.line.size() == kLineMax) throw unreadable();
    stream.line += c;
  }
}

void LogDecoder::line(Channel channel, Stream& stream) {
  if (stream.over || stream.line.empty()) return;
  if (stream.line.front() == '.') return control(channel, stream.line);
  const auto bytes = vendor::base64Decode(stream.line);
  // What is not the runner's is a shell's that could not run it, and says why.
  if (!bytes) {
    stream.line += '\n';
    return output_(Channel::standardError, stream.line);
  }
  if (!bytes->empty()) output_(channel, *bytes);
}

void LogDecoder::control(Channel channel, std::string_view line) {
  streams_[static_cast<int>(channel)].over = true;
  constexpr std::string_view kExit = ".exit ", kLacks = ".lacks ";
  if (line.starts_with(kLacks)) lacking_ = line.substr(kLacks.size());
  if (!line.starts_with(kExit)) return;
  line.remove_prefix(kExit.size());
  Ended ended;
  ended.timedOut = line == "timeout";
  if (!ended.timedOut) {
    const auto [end, failed] = std::from_chars(line.data(), line.data() + line.size(), ended.code);
    if (failed != std::errc() || end != line.data() + line.size()) throw unreadable();
  }
  ended_ = ended;
}

}  // namespace computesdk::daytona
