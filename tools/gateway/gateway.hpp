#pragma once

#include <computesdk/result.hpp>

#include "config/settings.hpp"

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace computesdk::gateway {

/// The gateway as a whole: build, start, stop, once each.
class Gateway {
 public:
  struct Options {
    Settings settings;
    std::vector<GivenKey> keys;                       ///< beside those of the store
    std::function<void(std::string line)> accessLog;  ///< JSON, one object; on the loop's thread, must not block
    /// Anything else that happens; any thread, must not block.
    std::function<void(int level, std::string_view text)> log;
  };
  /// Opens the store and finds the providers; nothing listens yet. Errors: E_STORE, E_CONFIG.
  static Result<std::unique_ptr<Gateway>> open(Options options);
  ~Gateway();
  Gateway(const Gateway&) = delete;
  Gateway& operator=(const Gateway&) = delete;

  /// Listens and serves on threads of its own. Errors: E_NETWORK when the address is taken, E_CONFIG for the
  /// certificate.
  Result<void> start();
  /// The port that it listens on. After start().
  [[nodiscard]] std::uint16_t port() const noexcept;
  /// The calls that it serves, as "METHOD pattern". After start().
  [[nodiscard]] std::vector<std::string> patterns() const;
  /// Reads the certificate again.
  Result<void> reload();
  /// Takes nothing new, lets what is under way finish within the settings' `drain`, and ends. Sandboxes live on.
  void stop();

 private:
  struct Parts;
  explicit Gateway(std::unique_ptr<Parts> parts);
  const std::unique_ptr<Parts> parts_;
};

}  // namespace computesdk::gateway
