// A message bus with a systemd on it, in a thread of the test.
#pragma once

#include <atomic>
#include <engine/unique_fd.hpp>
#include <limits/bus_message.hpp>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace computesdk::local::limits {

class StandInBus {
 public:
  enum class Manner {
    kGood,
    kRejectsUser,
    kSilent,   // never answers StartTransientUnit
    kRefuses,  // answers it with an error
    kJobFails,
    kHangsUp,        // closes after Hello
    kSendsNonsense,  // bytes that are no message
    kNamesParent,    // a control group with ".."
  };
  explicit StandInBus(Manner manner);
  ~StandInBus();
  std::string address() const { return "unix:abstract=" + name_ + ",guid=00"; }
  // Of the call to StartTransientUnit.
  BusMessage startCall();

 private:
  void serve();
  void answer(int client, const BusMessage& call);
  Manner manner_;
  std::string name_;
  UniqueFd listener_, stop_;
  std::mutex mutex_;
  BusMessage startCall_;
  std::thread thread_;
};

}  // namespace computesdk::local::limits
