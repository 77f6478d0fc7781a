#pragma once

#include "value.hpp"

#include <map>
#include <string>
#include <vector>

// The data of the suite: cases, capabilities and targets, as README.md describes their files.
namespace computesdk::conformance {

struct Case {
  std::string id;                  ///< "exec.exit-code"; never changes its meaning
  std::string why;                 ///< one sentence
  std::vector<std::string> needs;  ///< names of capabilities
  bool faults = false;             ///< needs a simulator that can be told to fail
  bool quick = false;
  int limitMs = 30000;
  Value sandbox;  ///< options of the sandbox that is there at the start, as `box`; false: none
  Value steps;
  std::string file;
};

/// One thing that a provider may or may not offer.
struct Capability {
  std::string name;                   ///< as in computesdk::Capabilities
  std::string title;                  ///< for the table in the documentation
  std::vector<std::string> manifest;  ///< names in a manifest's `capabilities` that stand for it
  Value refusal;                      ///< a step that must be refused where it is not offered; null: there is none
};

struct Suite {
  std::vector<Case> cases;
  std::vector<Capability> capabilities;

  /// Reads every *.json of a folder, in byte order. Throws Problem.
  static Suite load(const std::string& folder);
  [[nodiscard]] const Capability& capability(const std::string& name) const;
};

/// A case that a provider is known to answer otherwise, and why.
struct Deviation {
  std::vector<std::string> cases;  ///< globs
  std::string placement;           ///< empty: in all
  std::string because;
};

struct Target {
  std::string name, provider, file;
  std::map<std::string, std::string> environment;
  std::vector<std::string> pass;  ///< variables of the caller that the target sees too
  std::vector<std::string> secrets;
  std::string simulator;  ///< program; empty: none
  std::vector<std::string> placements;
  Value create;      ///< options of every create
  Value operations;  ///< operation -> members of a fault that hits it
  std::string connectTo;
  int limitFactor = 1;
  bool sweep = false;  ///< every sandbox that it lists was made by the case: what is left may be destroyed
  std::vector<Deviation> deviations;

  /// Throws Problem.
  static Target load(const std::string& file);
  /// The declared deviation for a case, or null.
  [[nodiscard]] const Deviation* deviation(const std::string& id, const std::string& placement) const;
};

/// Whether a text fits a pattern with * and ?.
bool globMatches(std::string_view pattern, std::string_view text);

}  // namespace computesdk::conformance
