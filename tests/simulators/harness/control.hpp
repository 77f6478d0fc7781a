#pragma once

#include "server.hpp"

#include <functional>
#include <string>
#include <string_view>
#include <vector>

// The routes below /_sim/ by which a test steers a simulator from outside. README.md lists them.
namespace computesdk::simulators {

struct ControlHooks {
  std::function<std::vector<std::string>()> sandboxes = {};  ///< ids of those that are alive
  std::function<void()> reset = {};                          ///< destroys everything that was made
};

void addControl(Server& server, const ControlHooks& hooks);

/// Faults from JSON: one object or an array of them. Nothing is added, and the reason given, when one is wrong.
std::string addFaults(Server& server, std::string_view json);

}  // namespace computesdk::simulators
