#pragma once

#include "core/unique_fd.hpp"

#include <computesdk/serving/loop.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace computesdk::sandboxd {

/// One `GET` of a health check, to the loopback address: IPv4, and IPv6 when nobody listens there. Loop's thread only;
/// letting go of it ends it without an answer.
class HealthProbe {
 public:
  /// The HTTP status, or nothing when there was none in time.
  using Done = std::function<void(std::optional<int> status)>;

  struct Target {
    std::uint16_t port = 0;
    std::string path = "/";  ///< begins with a slash, holds no blanks and no control characters
    std::chrono::milliseconds timeout{1500};
  };

  /// `done` is called once, later, and may let go of the probe.
  HealthProbe(serving::Loop& loop, Target target, Done done);
  ~HealthProbe() = default;
  HealthProbe(const HealthProbe&) = delete;
  HealthProbe& operator=(const HealthProbe&) = delete;

 private:
  void connectTo(int family);
  void connected();
  void send();
  void receive();
  void finish(std::optional<int> status);

  serving::Loop& loop_;
  const Target target_;
  Done done_;
  int family_ = 0;
  std::string request_, answer_;
  UniqueFd socket_;
  // After what their functions use, so that they are ended first.
  serving::Watch watch_;
  serving::Timer deadline_, soon_;
};

}  // namespace computesdk::sandboxd
