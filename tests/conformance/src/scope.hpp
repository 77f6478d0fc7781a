#pragma once

#include "suite.hpp"
#include "world.hpp"

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace computesdk::conformance {

/// The provider did something else than the case expects.
class Failure : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The provider refused what it need not offer, as it should: the case ends here.
class Refused : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// What came out of a command, in the order in which it came. Thread-safe.
class Transcript {
 public:
  void add(bool error, std::string_view chunk);
  /// Waits until a stream holds `text`; false when it does not in time.
  bool await(bool error, const std::string& text, std::chrono::milliseconds limit);
  /// {"stdout", "stderr", "order": [{"stream", "text"}]}, neighbouring chunks of a stream put together.
  [[nodiscard]] Value value() const;

 private:
  mutable std::mutex mutex_;
  std::condition_variable grown_;
  std::string out_, err_;
  std::vector<std::pair<bool, std::string>> order_;
};

/// A command that a case started and goes on with.
struct RunningCommand {
  std::shared_ptr<Transcript> transcript;
  std::unique_ptr<Command> command;
};

/// Fires a stop token when a step says so: {"after_ms": N}, {"within_ms": N} (an instant by the seed), or
/// {"output": TEXT}.
class Stopper {
 public:
  Stopper(const Value* when, std::mt19937_64& random);
  Stopper(const Stopper&) = delete;
  Stopper& operator=(const Stopper&) = delete;
  ~Stopper();

  [[nodiscard]] std::stop_token token() { return source_.get_token(); }
  void saw(std::string_view output);

 private:
  std::stop_source source_;
  std::string output_, seen_;
  std::mutex mutex_;
  std::condition_variable_any done_;
  std::jthread timer_;
};

/// What the steps of a case share. A branch of `parallel` works on a copy.
struct Scope {
  World& world;
  const Suite& suite;
  std::string program;  ///< this program, for steps of another process
  std::string placement;
  std::vector<std::string> plugins;  ///< folders with manifests, for the same
  std::uint64_t seed = 0;
  std::shared_ptr<std::mt19937_64> random = {};  ///< of this branch
  Value variables = {};
  std::map<std::string, std::shared_ptr<Sandbox>> sandboxes = {};
  std::map<std::string, std::shared_ptr<RunningCommand>> commands = {};
  std::map<std::string, std::shared_ptr<Process>> processes = {};
  std::vector<std::string> trail = {};  ///< where we are, for messages
};

/// One step under way.
struct Step {
  Scope& scope;
  const Value& arguments;  ///< what stands behind the verb, variables filled in
  const Value& whole;      ///< the step with its other members
  Stopper& stopper;

  /// The sandbox that the step is about. Throws Problem.
  [[nodiscard]] Sandbox& sandbox() const;
  /// The name that the step gives to what it makes.
  [[nodiscard]] std::string name(std::string_view otherwise) const;
  [[nodiscard]] RunningCommand& command() const;
};

using Outcome = Result<Value>;
using Verb = Outcome (*)(Step&);

/// Of a verb that has nothing to tell.
template <typename T>
Outcome done(Result<T> result) {
  if (!result) return std::move(result).error();
  return Value(Value::Object{});
}

/// The verb of that name, or null. Each group below knows some.
Verb findVerb(std::string_view name);
Verb sandboxVerb(std::string_view name);
Verb commandVerb(std::string_view name);
Verb fileVerb(std::string_view name);
Verb processVerb(std::string_view name);
Verb outsideVerb(std::string_view name);
Verb controlVerb(std::string_view name);

/// Runs steps in order. Throws Failure with the place and what differs, or Problem.
void runSteps(Scope& scope, const Value& steps);
void runStep(Scope& scope, const Value& step);

// Values of the public API as cases see them.
Value infoValue(const SandboxInfo& info);
Value exitValue(const ExitStatus& status);
Value errorValue(const ErrorInfo& error);
StringMap stringMap(const Value* object);
OptionMap optionMap(const Value* object);

}  // namespace computesdk::conformance
