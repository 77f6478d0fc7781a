#pragma once

#include "runner.hpp"

#include <string>
#include <vector>

namespace computesdk::conformance {

/// For people, on stdout: a line as each case ends, and the sums of a run with the command that repeats its failures.
void printHead(const Run& run, std::uint64_t seed);
void printCase(const CaseResult& result);
void printSums(const Run& run, const Plan& plan);

/// JUnit's XML: one suite a run.
std::string junit(const std::vector<Run>& runs);
/// Everything, as JSON.
Value details(const std::vector<Run>& runs, std::uint64_t seed);

/// The part of the results that does not change from run to run, by target; what the repository keeps and the
/// documentation's table is made of. Replaces the targets that ran in `before`. Throws Problem unless each ran whole,
/// in all its placements, and well.
Value record(const Value& before, const Suite& suite, const std::vector<Run>& runs);
/// Where these runs contradict a record; empty when nowhere.
std::vector<std::string> contradictions(const Value& record, const Suite& suite, const std::vector<Run>& runs);

void writeFile(const std::string& path, const std::string& text);

}  // namespace computesdk::conformance
