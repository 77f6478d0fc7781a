// What the probe's helper finds out. Freestanding.
#pragma once

#include <cstdint>

namespace computesdk::local::probe {

constexpr int kProbeSocket = 3;

enum Try : std::uint32_t {
  kTryUserNamespace,
  kTryNamespaces,
  kTryProcMount,
  kTrySeccomp,
  kTryClone3,
  kTryOpenat2,
  kTryOverlay,
  kTryTerminals,
  kTryTun,
  kTryMemfd,
  kTryPidfd,
  kTries,
};

enum UserStep : std::uint32_t { kStepCreate, kStepMaps, kStepUse };

struct Findings {
  std::int32_t error[kTries];  // errno, 0: works
  UserStep userStep;           // at which it failed
};

}  // namespace computesdk::local::probe
