#pragma once

#include "runloop.hpp"

namespace computesdk::simulators {

/// The service's objects as JSON.
struct RunloopViews {
  static std::string of(const RunloopSimulator::Box& box);
  static std::string of(const RunloopSimulator::Tunnel& tunnel);
  static std::string of(const RunloopSimulator::Snapshot& snapshot);
  static std::string of(const RunloopSimulator::Blueprint& blueprint);
  /// `lines`: how much of the end of each output is shown.
  static std::string of(const RunloopSimulator::Execution& execution, std::int64_t lines);
};

/// One of a list.
struct ListItem {
  std::string id, json;
};
/// The page of `items` that was asked for, as the member `name`.
void respondPage(Exchange& exchange, const char* name, const std::vector<ListItem>& items);
std::string runloopQuery(const Request& request, const std::string& name);

}  // namespace computesdk::simulators
