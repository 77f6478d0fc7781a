// Verbs that run other steps: several at once, again and again, in another process; and the smallest ones.
#include "job.hpp"
#include "match.hpp"
#include "scope.hpp"

#include <chrono>
#include <exception>
#include <fstream>
#include <map>
#include <mutex>
#include <thread>

namespace computesdk::conformance {
namespace {

Value nothing() { return Value(Value::Object{}); }

/// {"times": N, "steps"}: N branches at once, each with a copy of what is known and ${index}.
Outcome parallel(Step& step) {
  onlyKeys(step.arguments, {"times", "steps"}, "parallel");
  const auto times = static_cast<int>(step.arguments.at("times").asInt());
  std::mutex mutex;
  std::exception_ptr first;
  std::vector<Scope> scopes(static_cast<std::size_t>(times), step.scope);
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < times; ++i) {
      Scope& scope = scopes[static_cast<std::size_t>(i)];
      scope.random = std::make_shared<std::mt19937_64>((*step.scope.random)());
      scope.variables.set("index", i);
      scope.trail.push_back("#" + std::to_string(i));
      threads.emplace_back([&, where = &scope] {
        try {
          runSteps(*where, step.arguments.at("steps"));
        } catch (...) {
          const std::lock_guard lock(mutex);
          if (!first) {
            first = std::current_exception();
            step.scope.trail = where->trail;
          }
        }
      });
    }
  }
  if (first) std::rethrow_exception(first);
  return nothing();
}

/// {"times": N, "steps"}: one after another, with ${index}.
Outcome repeat(Step& step) {
  onlyKeys(step.arguments, {"times", "steps"}, "repeat");
  for (std::int64_t i = 0; i < step.arguments.at("times").asInt(); ++i) {
    step.scope.variables.set("index", i);
    runSteps(step.scope, step.arguments.at("steps"));
  }
  return nothing();
}

/// {"within_ms": N, "steps"}: until they pass. What is waited for is a real condition; the pause only spares the peer.
Outcome eventually(Step& step) {
  onlyKeys(step.arguments, {"within_ms", "steps"}, "eventually");
  const auto end =
      std::chrono::steady_clock::now() + std::chrono::milliseconds(step.arguments.integer("within_ms", 10000));
  const auto trail = step.scope.trail;
  for (;;) {
    try {
      runSteps(step.scope, step.arguments.at("steps"));
      return nothing();
    } catch (const Failure&) {
      if (std::chrono::steady_clock::now() > end) throw;
      step.scope.trail = trail;
    }
    std::mutex mutex;
    std::unique_lock lock(mutex);
    std::condition_variable().wait_for(lock, std::chrono::milliseconds(20));
  }
}

/// {"steps"}: in a fresh process of the same user, which knows the variables and nothing else.
Outcome elsewhere(Step& step) {
  onlyKeys(step.arguments, {"steps"}, "another_process");
  const Scope& scope = step.scope;
  Job job;
  job.target = scope.world.target.file;
  job.placement = scope.placement;
  job.scratch = scope.world.scratch;
  job.places.plugins = scope.plugins;
  job.simulatorUrl = scope.world.simulator ? scope.world.simulator->url() : "";
  job.cases = std::filesystem::path(scope.suite.cases.front().file).parent_path();
  job.steps = step.arguments.at("steps");
  job.variables = scope.variables;
  job.seed = (*scope.random)();
  const JobResult result = runJob(scope.program, job, ownEnvironment(), std::chrono::seconds(60));
  if (result.outcome == "failed") throw Failure("in another process: " + result.message);
  if (result.outcome != "passed") throw Failure("another process: " + result.outcome + ": " + result.message);
  return nothing();
}

/// A value, for `expect` or `as`.
Outcome value(Step& step) { return step.arguments; }

}  // namespace

Verb controlVerb(std::string_view name) {
  static const std::map<std::string_view, Verb> kVerbs = {
      {"parallel", parallel},         {"repeat", repeat}, {"eventually", eventually},
      {"another_process", elsewhere}, {"value", value},
  };
  const auto found = kVerbs.find(name);
  return found == kVerbs.end() ? nullptr : found->second;
}

}  // namespace computesdk::conformance
