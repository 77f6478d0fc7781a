#pragma once

#include "child.hpp"
#include "suite.hpp"

#include <computesdk/computesdk.hpp>

#include <filesystem>
#include <memory>
#include <string>

namespace computesdk::conformance {

/// Where the plug-in's and the simulator's files are looked for.
struct Places {
  std::vector<std::string> plugins;   ///< folders with manifests, before those that the library knows itself
  std::vector<std::string> programs;  ///< folders with simulators, before PATH
};

/// A running simulator. It ends with this object.
class Simulator {
 public:
  Simulator(const std::string& program, const Places& places);
  /// One that another process runs.
  explicit Simulator(std::string url) : url_(std::move(url)) {}
  ~Simulator();
  Simulator(const Simulator&) = delete;
  Simulator& operator=(const Simulator&) = delete;

  [[nodiscard]] const std::string& url() const { return url_; }
  /// Asks its control API. The answer's JSON; null when its body is empty. Throws Problem when it refuses.
  [[nodiscard]] Value control(const std::string& method, const std::string& path, const Value& body = {}) const;

 private:
  std::unique_ptr<Child> child_;
  std::string url_;
};

/// What one case sees of a target: a Compute with nothing but its plug-in and its variables. Where the plug-in would
/// not run as wanted it is copied into the scratch folder: trusted there it runs in process, and otherwise isolated.
class World {
 public:
  /// `scratch`: a folder for this case, the place of HOME and of everything else that is private; empty, or that of
  /// the process that this one joins. `simulatorUrl`: of a simulator that runs already.
  World(const Target& target, const std::string& placement, const Places& places, const std::filesystem::path& scratch,
        const std::string& simulatorUrl);

  const Target& target;
  const std::filesystem::path scratch;
  std::unique_ptr<Simulator> simulator;  ///< before `compute`, so that it lives longer
  Compute compute;
  std::vector<std::string> secrets;   ///< values that nobody may ever see
  std::vector<std::string> declared;  ///< capabilities of the manifest
  std::string version;                ///< of the provider
  Capabilities capabilities;          ///< as the library sees them

  /// A configuration like that of `compute`; `memory`: with the same record of sandboxes, else with an empty one.
  [[nodiscard]] ComputeConfig config(bool memory = true) const;

 private:
  void choosePlugin(const std::string& placement, const Places& places);
  std::vector<std::filesystem::path> folders_;  ///< with the manifest
  [[nodiscard]] std::string expand(const std::string& text) const;
  std::map<std::string, std::string> variables_;
};

/// The variables of a case's process: nothing of the caller's but what programs need to run.
Environment caseEnvironment(const Target& target, const std::filesystem::path& scratch);

}  // namespace computesdk::conformance
