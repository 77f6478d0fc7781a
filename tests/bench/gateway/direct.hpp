#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace computesdk::bench {

/// Sandboxes of provider `local` by the C++ runtime in this process, without a gateway. Destroyed with this object.
class DirectSandboxes {
 public:
  explicit DirectSandboxes(std::size_t count);
  ~DirectSandboxes();
  DirectSandboxes(const DirectSandboxes&) = delete;
  DirectSandboxes& operator=(const DirectSandboxes&) = delete;

  /// Runs a command line to its end; throws Problem when it fails. Any thread.
  void run(std::size_t which, const std::string& command) const;
  /// Starts kPortServer in one of them and waits until it answers. The port of this machine that leads to it.
  [[nodiscard]] std::uint16_t portServer(std::size_t which) const;

 private:
  struct Parts;
  const std::unique_ptr<Parts> parts_;
};

}  // namespace computesdk::bench
