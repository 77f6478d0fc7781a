#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace computesdk::registry::host {

/// The secrets of one provider, in memory that is kept out of core dumps and zeroed at the end. Filled once, then read
/// from any thread.
class SecretStore {
 public:
  /// Room for exactly `capacity` bytes of values. Throws std::bad_alloc.
  explicit SecretStore(std::size_t capacity);
  ~SecretStore();
  SecretStore(const SecretStore&) = delete;
  SecretStore& operator=(const SecretStore&) = delete;

  /// Keeps a copy; the view lives as long as the store.
  std::string_view add(std::string_view secret);
  /// Puts *** in the place of every secret of four bytes or more. Shorter ones would only tear holes into ordinary
  /// text.
  void redact(std::string& text) const;

 private:
  char* memory_ = nullptr;
  std::size_t mapped_ = 0, used_ = 0, capacity_ = 0;
  std::vector<std::string_view> values_;  ///< longest first, so that one inside another leaves no rest
};

/// Puts *** in the place of every `secret` in `text`.
void redactOne(std::string& text, std::string_view secret);

}  // namespace computesdk::registry::host
