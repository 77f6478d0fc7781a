#pragma once

#include "common/streams.hpp"
#include "runloop/devbox.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace computesdk::runloop {

/// One output stream of an execution: server-sent events with {"output", "offset"}. It is asked for again, from where
/// it was, when it breaks off or the service has had enough of it; what comes twice is handed over once.
class OutputStream {
 public:
  using Sink = std::function<void(std::string_view text)>;
  /// `channel`: "stdout" or "stderr". Begins at once.
  OutputStream(Devbox& devbox, std::string_view execution, std::string_view channel, Sink sink);
  ~OutputStream();
  OutputStream(const OutputStream&) = delete;
  OutputStream& operator=(const OutputStream&) = delete;

  /// Asks again when that is due; to be called in `done` of Session::until. Throws when the stream has failed for good.
  void tend();
  /// The service has nothing more.
  [[nodiscard]] bool over() const noexcept { return over_; }
  /// An answer has come.
  [[nodiscard]] bool connected() const noexcept { return connected_; }
  /// Bytes that were handed over.
  [[nodiscard]] std::int64_t bytes() const noexcept { return bytes_; }
  /// Bytes that could not be told as text were among them.
  [[nodiscard]] bool lossy() const noexcept { return lossy_; }
  /// Whether what was handed over ends as an output whose end is `text`.
  [[nodiscard]] bool endsAs(std::string_view text) const;
  /// The stream ended before the output: takes up again where it was.
  void goOn();

 private:
  void start();
  void takeEvent(const vendor::SseDecoder::Event& event);
  void takeText(std::string_view text, std::int64_t offset);
  void breakOff(const vendor::Failure& failure);

  Devbox& devbox_;
  const std::string path_;
  const Sink sink_;
  vendor::SseDecoder events_;
  vendor::Answer head_;
  std::uint64_t request_ = 0;
  std::int64_t lastOffset_ = 0;  ///< of the last event
  std::string last_;             ///< its text: the service counts bytes that we may not have
  std::string expected_;         ///< of last_, what a stream that was taken up again still repeats
  std::string tail_;             ///< end of what was handed over
  std::int64_t bytes_ = 0;
  int failures_ = 0;  ///< in a row
  std::optional<vendor::Failure> failure_;
  bool again_ = false, over_ = false, connected_ = false, lossy_ = false;
};

}  // namespace computesdk::runloop
