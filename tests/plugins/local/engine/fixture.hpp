// Sandboxes for the tests: a registry of their own in a fresh folder, and short ways to say what is asked.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "engine/engine.hpp"

namespace computesdk::local::testing {

// A fresh folder below /tmp, removed with everything in it.
class Scratch {
 public:
  Scratch();
  ~Scratch();
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

struct Output {
  ExitStatus status;
  std::string out, err;
  bool failed = false;
  Error error;
};

// Runs a command to its end with its output collected.
Output run(Sandbox& sandbox, std::vector<std::string> argv);
Output shell(Sandbox& sandbox, const std::string& line);
Output runSpec(Sandbox& sandbox, ExecSpec spec);

// Whether sandboxes are to be made without user namespaces (COMPUTESDK_TEST_ROOT_ENGINE).
bool rootEngine();
// Whether by bubblewrap (COMPUTESDK_TEST_BUBBLEWRAP_ENGINE).
bool bubblewrapEngine();

class SandboxTest : public ::testing::Test {
 protected:
  SandboxTest();
  ~SandboxTest() override;  // ends what the test left
  std::shared_ptr<Sandbox> make(const CreateSpec& spec = {});
  // With /tmp/hostile inside.
  std::shared_ptr<Sandbox> makeHostile(const CreateSpec& spec = {});
  EngineOptions options() const;
  // Host pids of the launchers that work for this test's registry.
  std::vector<int> launchers() const;

  Scratch scratch_;
  Engine engine_;
};

// Waits until `condition` holds, looking often; false after `seconds`.
template <typename Condition>
bool eventually(Condition condition, int seconds = 20) {
  for (int i = 0; i < seconds * 200; ++i) {
    if (condition()) return true;
    timespec pause{0, 5000000};
    nanosleep(&pause, nullptr);
  }
  return condition();
}

}  // namespace computesdk::local::testing
