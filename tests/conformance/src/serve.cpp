// The child's side of a job: one case against one target, in a process of its own.
#include "job.hpp"
#include "match.hpp"
#include "scope.hpp"
#include "table.hpp"

#include <sys/prctl.h>

#include <csignal>
#include <fstream>

namespace computesdk::conformance {
namespace {

struct Verdict {
  std::string outcome;
  std::string message;
};

std::string where(const Scope& scope) {
  std::string out;
  for (const std::string& each : scope.trail) out += (out.empty() ? "" : " ") + each;
  return out.empty() ? "" : "step " + out + ": ";
}

/// What a provider that lacks a capability must do: refuse, naming itself and a way out.
void checkRefusal(Scope& scope, const Capability& capability) {
  if (capability.refusal.isNull()) return;
  runSteps(scope, Value(Value::Array{Value::parse(R"({"create": {}})", "refusal")}));
  scope.trail.push_back("refusal of " + capability.name);
  Value step = capability.refusal;
  Value error;
  Value text;
  error.set("code", "E_UNSUPPORTED").set("provider", scope.world.target.provider);
  error.set("what", text.set("$contains", scope.world.target.provider));
  Value something;
  error.set("fix", something.set("$matches", "."));
  step.set("error", std::move(error));
  runStep(scope, step);
  scope.trail.pop_back();
}

/// Nothing of what a case made may be left.
void checkNothingLeft(Scope& scope) {
  scope.trail = {"afterwards"};
  Value none;
  none.set("$size", 0);
  World& world = scope.world;
  if (world.simulator) {
    const Value all = world.simulator->control("GET", "/_sim/sandboxes");
    const Value* list = all.isArray() ? &all : &all.at("sandboxes");
    if (const auto left = mismatches(none, *list, "sandboxes that are left"); !left.empty())
      throw Failure(left.front());
    return;
  }
  if (world.capabilities.list == Support::none) return;
  auto all = world.compute.sandbox().list(nothrow, {.metadata = stringMap(world.target.create.find("metadata"))});
  if (!all) throw Failure(formatError(all.error()));
  if (!all->empty()) throw Failure("sandboxes are left, the first is " + all->front().id);
}

Verdict runCase(Scope& scope, const Case& wanted) {
  const Value offered = capabilityTable(scope.world.capabilities);
  for (const std::string& need : wanted.needs) {
    if (offered.at(need).asString() != "none") continue;
    checkRefusal(scope, scope.suite.capability(need));
    scope.sandboxes.clear();
    return {"not_offered", need};
  }
  if (wanted.faults && !scope.world.simulator)
    return {"not_applicable", "there is no simulator that can be told to fail"};
  if (!(wanted.sandbox.isBool() && !wanted.sandbox.asBool())) {
    Value create;
    create.set("create", wanted.sandbox.isObject() ? wanted.sandbox : Value(Value::Object{}));
    scope.trail = {"sandbox"};
    runStep(scope, create);
    scope.trail.clear();
    scope.variables.set("box", infoValue(scope.sandboxes.at("box")->lastInfo()));
  }
  runSteps(scope, wanted.steps);
  scope.commands.clear();
  scope.sandboxes.clear();
  checkNothingLeft(scope);
  return {"passed", ""};
}

void sweep(World& world) {
  if (world.capabilities.list == Support::none) return;
  auto all = world.compute.sandbox().list(nothrow, {});
  if (!all) return;
  for (const SandboxInfo& each : *all) (void)world.compute.sandbox().destroy(nothrow, each.id);
}

const Case& caseOf(const Suite& suite, const std::string& id) {
  for (const Case& each : suite.cases) {
    if (each.id == id) return each;
  }
  throw Problem("there is no case " + id);
}

Verdict judge(const Job& job, Scope& scope) {
  try {
    if (!job.caseId.empty()) return runCase(scope, caseOf(scope.suite, job.caseId));
    runSteps(scope, job.steps);
    return {"passed", ""};
  } catch (const Refused& refused) {
    return {"not_offered", refused.what()};
  } catch (const Failure& failure) {
    return {"failed", where(scope) + failure.what()};
  } catch (const Error& error) {
    return {"failed", where(scope) + formatError(error.info())};
  } catch (const Problem& problem) {
    return {"broken", where(scope) + problem.what()};
  }
}

Verdict perform(const std::string& program, const Job& job, Value& capabilities) {
  const Target target = Target::load(job.target);
  const Suite suite = Suite::load(job.cases);
  World world(target, job.placement, job.places, job.scratch, job.simulatorUrl);
  capabilities = capabilityTable(world.capabilities);
  if (job.sweep) {
    sweep(world);
    return {"passed", ""};
  }
  Scope scope{
      .world = world, .suite = suite, .program = program, .placement = job.placement, .plugins = job.places.plugins};
  scope.seed = job.seed;
  scope.random = std::make_shared<std::mt19937_64>(job.seed);
  scope.variables = job.variables.isNull() ? Value(Value::Object{}) : job.variables;
  if (!job.caseId.empty()) {
    scope.variables.set("unique",
                        "c" + std::to_string((*scope.random)() % 1000000007) + "p" + std::to_string(::getpid()));
    // A number that stands in no other command line, and a pattern that finds it without being found itself.
    const std::string digits = std::to_string(100000 + (*scope.random)() % 900000);
    scope.variables.set("number", "7" + digits).set("number_pattern", "[7]" + digits);
    if (!world.secrets.empty()) scope.variables.set("secret", world.secrets.front());
    scope.variables.set("provider", target.provider).set("placement", job.placement);
  }
  Verdict verdict = judge(job, scope);
  if (job.caseId.empty()) {
    // What another process opened goes on without it.
    for (auto& [name, sandbox] : scope.sandboxes) sandbox->release();
  }
  return verdict;
}

}  // namespace

int serveJob(const std::string& program, const std::string& file) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  Verdict verdict;
  Value capabilities;
  try {
    verdict = perform(program, Job::parse(Value::readFile(file)), capabilities);
  } catch (const Error& error) {
    verdict = {"failed", "the provider cannot be opened: " + formatError(error.info())};
  } catch (const std::exception& error) {
    verdict = {"broken", error.what()};
  }
  Value out;
  out.set("outcome", verdict.outcome).set("message", verdict.message).set("capabilities", capabilities);
  const std::string result = file + ".result";
  std::ofstream(result + ".new") << out.print();
  std::filesystem::rename(result + ".new", result);
  return 0;
}

}  // namespace computesdk::conformance
