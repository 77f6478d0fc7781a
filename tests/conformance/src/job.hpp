#pragma once

#include "child.hpp"
#include "suite.hpp"
#include "world.hpp"

#include <chrono>
#include <filesystem>
#include <string>

namespace computesdk::conformance {

/// What a child process is to do: a case, or steps of one, against a target. A crash or a hang is then its own alone.
struct Job {
  std::string target;  ///< file
  std::string placement;
  std::string cases;  ///< folder
  Places places;
  std::filesystem::path scratch;
  std::string simulatorUrl;  ///< of a simulator that runs already; empty: starts its own
  std::string caseId;        ///< empty: `steps`
  Value steps, variables;
  bool sweep = false;  ///< instead of either: destroy whatever the target lists
  std::uint64_t seed = 0;

  [[nodiscard]] Value value() const;
  static Job parse(const Value& value);
};

/// How it went. `outcome`: passed; not_offered (and properly refused); not_applicable; failed; broken (the suite's own
/// files or machine); crashed; hung.
struct JobResult {
  std::string outcome = "crashed";
  std::string message;
  std::string output;  ///< what the child wrote, for people
  std::chrono::milliseconds took{0};
  Value capabilities;  ///< as capabilityTable
};

/// Runs a job in a child: `program` --job FILE.
JobResult runJob(const std::string& program, const Job& job, const Environment& environment,
                 std::chrono::milliseconds limit);
/// The child's side. Returns its exit code.
int serveJob(const std::string& program, const std::string& file);

}  // namespace computesdk::conformance
