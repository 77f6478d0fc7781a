#include "types.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

namespace computesdk::local {

std::string_view toString(LimitStrength strength) {
  switch (strength) {
    case LimitStrength::kHard: return "hard";
    case LimitStrength::kSoft: return "soft";
    default: return "none";
  }
}

std::string_view toString(EngineKind engine) {
  switch (engine) {
    case EngineKind::kRoot: return "root-namespaces";
    case EngineKind::kBubblewrap: return "bubblewrap";
    default: return "namespaces";
  }
}

int ExitStatus::shellCode() const {
  switch (kind) {
    case ExitKind::kCode: return value;
    case ExitKind::kSignal: return 128 + value;
    case ExitKind::kTimeout: return 124;
    default: return 125;
  }
}

Canceller::Canceller() : fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

Canceller::~Canceller() {
  if (fd_ >= 0) close(fd_);
}

void Canceller::cancel() {
  const std::uint64_t one = 1;
  static_cast<void>(!write(fd_, &one, sizeof one));  // full means that it is cancelled already
}

}  // namespace computesdk::local
