#pragma once

#include "host/wire.hpp"

#include <mutex>
#include <optional>

namespace computesdk::plugin_host {

/// The process's end of the line. Sending is thread-safe; receiving is for one thread. A line that is broken while
/// sending ends the process: without its host it has nothing to do.
class Channel {
 public:
  explicit Channel(int fd) : fd_(fd) {}

  void send(registry::host::FrameType type, std::uint16_t flags, std::uint64_t call, std::string_view body);
  /// The next frame; its body is valid until the next call. Nothing: the host has closed its end.
  std::optional<registry::host::Frame> receive();

 private:
  const int fd_;
  std::mutex mutex_;
  registry::host::FrameReader reader_;
};

}  // namespace computesdk::plugin_host
