#pragma once

#include "child_process.hpp"
#include "wire.hpp"

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

namespace computesdk::registry::host {

/// The host's end of the line to a plug-in's process: queued frames out, whole frames in, the last lines of stderr. Not
/// thread-safe.
class RemoteLink {
 public:
  explicit RemoteLink(ChildProcess child) : child_(std::move(child)) {}

  [[nodiscard]] const ChildProcess& child() const noexcept { return child_; }

  /// Queues a frame and sends what the socket takes at once. False when the line is broken.
  bool send(std::string frame);
  /// Sends what waits. False when the line is broken.
  bool flush();
  [[nodiscard]] bool hasOutput() const noexcept { return !out_.empty(); }

  enum class Read { some, nothing, ended };
  /// Reads once from the socket.
  Read read();
  std::optional<Frame> next() { return reader_.next(); }
  [[nodiscard]] bool broken() const noexcept { return reader_.broken(); }

  /// Reads what the process wrote to stderr.
  void readErrors();
  /// Its last lines, at most 2 KiB.
  [[nodiscard]] std::string lastErrors() const;

  /// Kills the process; how it ended.
  std::string end();

 private:
  ChildProcess child_;
  FrameReader reader_;
  std::deque<std::string> out_;
  std::size_t sent_ = 0;  ///< of the first frame
  std::string errors_;
};

}  // namespace computesdk::registry::host
