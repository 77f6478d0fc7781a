#include "runner.hpp"

#include <stdlib.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <thread>

namespace computesdk::conformance {
namespace {

namespace fs = std::filesystem;

class Scratch {
 public:
  Scratch() {
    std::string name = fs::temp_directory_path() / "conformance-XXXXXX";
    if (::mkdtemp(name.data()) == nullptr) throw Problem("cannot make " + name + ": " + std::strerror(errno));
    path_ = name;
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  [[nodiscard]] const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

bool wanted(const Plan& plan, const Case& each) {
  if (plan.quick && !each.quick) return false;
  return plan.globs.empty() ||
         std::ranges::any_of(plan.globs, [&](const std::string& glob) { return globMatches(glob, each.id); });
}

/// A declared deviation must be one: what passes after all has to lose its declaration. A crash never is.
void weigh(const Target& target, const std::string& placement, CaseResult& result) {
  const Deviation* declared = target.deviation(result.id, placement);
  if (declared == nullptr) return;
  if (result.outcome == "passed" || result.outcome == "not_offered") {
    result.outcome = "undeclared_pass";
    result.message = "it passes, but " + target.file + " declares it as a deviation: " + declared->because;
  }
  if (result.outcome != "failed") return;
  result.outcome = "deviates";
  result.message = declared->because;
  result.output.clear();
}

CaseResult runOne(const Plan& plan, const Target& target, const std::string& placement, const Case& each,
                  Value& capabilities) {
  const Scratch scratch;
  const Environment environment = caseEnvironment(target, scratch.path());
  Job job;
  job.target = target.file;
  job.placement = placement;
  job.cases = plan.cases;
  job.places = plan.places;
  job.scratch = scratch.path();
  job.caseId = each.id;
  job.seed = caseSeed(plan.seed, each.id);
  const auto limit = std::chrono::milliseconds(each.limitMs) * target.limitFactor;
  const JobResult done = runJob(plan.program, job, environment, limit);
  if (target.sweep && done.outcome != "passed" && done.outcome != "not_offered" && done.outcome != "not_applicable") {
    job.caseId.clear();
    job.sweep = true;
    (void)runJob(plan.program, job, environment, std::chrono::seconds(60));
  }
  capabilities = done.capabilities;
  CaseResult result{each.id, each.why, done.outcome, done.message, done.output, done.took};
  weigh(target, placement, result);
  return result;
}

}  // namespace

std::uint64_t caseSeed(std::uint64_t seed, const std::string& id) {
  std::uint64_t hash = 14695981039346656037U ^ seed;  // FNV-1a: the same on every machine
  for (const char c : id) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211U;
  return hash & ~std::uint64_t{1};
}

Run runTarget(const Plan& plan, const Suite& suite, const Target& target, const std::string& placement,
              const std::function<void(const CaseResult&)>& finished) {
  std::vector<const Case*> cases;
  for (const Case& each : suite.cases) {
    if (wanted(plan, each)) cases.push_back(&each);
  }
  Run run{target, placement, std::vector<CaseResult>(cases.size()), {}, {}};
  const auto begin = std::chrono::steady_clock::now();
  std::atomic<std::size_t> next{0};
  std::mutex mutex;
  std::exception_ptr broken;
  const auto work = [&] {
    try {
      for (std::size_t i = next++; i < cases.size(); i = next++) {
        Value capabilities;
        CaseResult result = runOne(plan, target, placement, *cases[i], capabilities);
        const std::lock_guard lock(mutex);
        if (!capabilities.isNull()) run.capabilities = capabilities;
        finished(result);
        run.cases[i] = std::move(result);
      }
    } catch (...) {
      const std::lock_guard lock(mutex);
      broken = std::current_exception();
      next = cases.size();
    }
  };
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < plan.jobs; ++i) threads.emplace_back(work);
  }
  if (broken) std::rethrow_exception(broken);
  run.took = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begin);
  return run;
}

}  // namespace computesdk::conformance
