#pragma once

#include "common/streams.hpp"
#include "e2b/envd.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace computesdk::e2b {

/// How a process ended, as the daemon says it.
struct Ended {
  bool bySignal = false;
  int value = 0;  ///< exit code or signal number; a signal of an unknown name is 0
};

/// The stream of events of one process: Start or Connect. Events come while the session's until runs.
class ProcessStream {
 public:
  enum class Channel { standardOutput, standardError, terminal };
  using Output = std::function<void(Channel, std::string_view)>;

  /// Begins it. `output` runs inside the session's until; what it throws comes out there.
  ProcessStream(Envd& envd, const vendor::Request& request, Output output);
  ~ProcessStream();
  ProcessStream(const ProcessStream&) = delete;
  ProcessStream& operator=(const ProcessStream&) = delete;

  /// Nothing more will come.
  [[nodiscard]] bool over() const noexcept { return over_; }
  /// The process's number, once it runs.
  [[nodiscard]] std::optional<std::int64_t> pid() const noexcept { return pid_; }
  /// How it ended; nothing as long as it was not said.
  [[nodiscard]] const std::optional<Ended>& ended() const noexcept { return ended_; }
  /// Connect code of the error that ended the stream; empty when there is none.
  [[nodiscard]] const std::string& errorCode() const noexcept { return errorCode_; }
  [[nodiscard]] const std::string& errorMessage() const noexcept { return errorMessage_; }

  /// Once over: throws what went wrong, unless the process's end was said.
  void check();

 private:
  void takeHead(const vendor::Answer& head);
  void takeData(std::string_view bytes);
  void takeEnvelope(const vendor::ConnectDecoder::Envelope& envelope);
  void takeData(vendor::Json data);
  void takeEnd(vendor::Json end);

  Envd& envd_;
  Output output_;
  std::uint64_t request_ = 0;
  vendor::ConnectDecoder decoder_;
  vendor::Answer answer_;  ///< its body only when it is no stream
  std::optional<vendor::Failure> broken_;
  std::optional<std::int64_t> pid_;
  std::optional<Ended> ended_;
  std::string errorCode_, errorMessage_;
  bool lastSeen_ = false, over_ = false;
};

}  // namespace computesdk::e2b
