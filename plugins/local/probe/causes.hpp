// From an errno and what the system says of itself to a cause and a remedy.
#pragma once

#include <string>

#include "probe.hpp"

namespace computesdk::local::probe {

struct Cause {
  std::string why, fix;
};

Cause causeOf(Primitive primitive, int error, const std::string& detail, Machine& machine);

}  // namespace computesdk::local::probe
