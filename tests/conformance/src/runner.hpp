#pragma once

#include "job.hpp"
#include "suite.hpp"

#include <functional>
#include <string>
#include <vector>

namespace computesdk::conformance {

/// What is asked for on the command line.
struct Plan {
  std::string program;  ///< this one
  std::string cases;    ///< folder
  Places places;
  std::vector<std::string> globs;  ///< cases; empty: all
  std::string placement;           ///< empty: all of a target
  bool quick = false;
  std::uint64_t seed = 0;
  int jobs = 1;
};

/// How one case went on one target in one placement.
struct CaseResult {
  std::string id, why;
  /// passed, not_offered, not_applicable, deviates (as declared); failed, broken, crashed, hung; undeclared_pass (a
  /// deviation is declared for a case that passes).
  std::string outcome;
  std::string message;
  std::string output;
  std::chrono::milliseconds took{0};

  [[nodiscard]] bool good() const {
    return outcome == "passed" || outcome == "not_offered" || outcome == "not_applicable" || outcome == "deviates";
  }
};

/// One target in one placement.
struct Run {
  Target target;
  std::string placement;
  std::vector<CaseResult> cases;  ///< in the suite's order
  Value capabilities;
  std::chrono::milliseconds took{0};
};

/// Runs the cases that the plan asks for, several at once. `finished` hears of each, one at a time.
Run runTarget(const Plan& plan, const Suite& suite, const Target& target, const std::string& placement,
              const std::function<void(const CaseResult&)>& finished);

/// The seed of a case: the run's and its id, so that a case alone does what it did among others.
std::uint64_t caseSeed(std::uint64_t seed, const std::string& id);

}  // namespace computesdk::conformance
