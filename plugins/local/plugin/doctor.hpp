// The vendor call "doctor": what this machine gives for isolation.
#pragma once

#include <string>

#include "probe/probe.hpp"

namespace computesdk::local {

// {"checks": [{"name", "state": "ok" | "warn" | "fail", "gives", "found", "why", "cost", "fix"}]}; "found" where there
// are several ways, the last three where something lacks. "fail": no sandbox can be made.
std::string doctorJson(const probe::Report& report);

}  // namespace computesdk::local
