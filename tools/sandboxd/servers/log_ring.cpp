#include "servers/log_ring.hpp"

namespace computesdk::sandboxd {

void LogRing::append(std::string_view bytes) {
  if (bytes.size() > capacity_) {
    bytes.remove_prefix(bytes.size() - capacity_);
    bytes_.clear();
    dropped_ = true;
  }
  // Trimmed only when twice the capacity is reached, so that each byte is moved once on average.
  if (bytes_.size() + bytes.size() > 2 * capacity_) {
    bytes_.erase(0, bytes_.size() + bytes.size() - capacity_);
    dropped_ = true;
  }
  bytes_.append(bytes);
}

std::string LogRing::text() const {
  std::string_view kept = bytes_;
  bool cut = dropped_;
  if (kept.size() > capacity_) {
    kept.remove_prefix(kept.size() - capacity_);
    cut = true;
  }
  if (!cut) return std::string(kept);
  const std::size_t line = kept.find('\n');
  if (line != std::string_view::npos && line + 1 < kept.size()) return std::string(kept.substr(line + 1));
  std::size_t start = 0;
  while (start < kept.size() && start < 3 && (static_cast<unsigned char>(kept[start]) & 0xc0) == 0x80) ++start;
  return std::string(kept.substr(start));
}

}  // namespace computesdk::sandboxd
