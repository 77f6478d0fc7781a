// conformance: does a provider do what its users rely on? Runs the suite's cases against targets.
#include "report.hpp"

#include <cstdlib>
#include <random>
#include <thread>

namespace computesdk::conformance {
namespace {

constexpr const char* kUsage = R"(conformance TARGET… [options]

Runs the suite against providers. TARGET is a name in the suite's targets/ or a file of that kind.

  --case GLOB        only these cases (repeat for several)
  --quick            only those that are quick
  --placement P      in-process or isolated; otherwise all that the target has
  --plugins DIR      where the provider's manifest and library are (repeat for several)
  --programs DIR     where simulators are, before PATH
  --suite DIR        folder with cases/ and targets/
  --seed N           of everything random; otherwise a new one, which is printed
  --jobs N           cases at once (default: the machine's processors)
  --junit FILE       the results as JUnit's XML
  --json FILE        the results as JSON
  --record FILE      keep what does not change from run to run, for --check and the documentation
  --check FILE       fail when these results contradict that record
  --list             say what each case checks, run nothing

Exit code: 0 all well, 1 a case failed or contradicts the record, 2 the suite or the command line is wrong.
)";

struct Arguments {
  Plan plan;
  std::vector<std::string> targets;
  std::string suite = CONFORMANCE_SUITE;
  std::string junit, json, record, check;
  bool list = false;
};

std::uint64_t number(const std::string& text) {
  char* end = nullptr;
  const std::uint64_t out = std::strtoull(text.c_str(), &end, 10);
  if (text.empty() || *end != '\0') throw Problem("\"" + text + "\" is no number");
  return out;
}

Arguments parse(const std::vector<std::string>& words) {
  Arguments out;
  out.plan.seed = std::random_device()() % 1000000;
  out.plan.jobs = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    const auto value = [&]() -> const std::string& {
      if (i + 1 == words.size()) throw Problem(word + " needs a value");
      return words[++i];
    };
    if (word == "--case") {
      out.plan.globs.push_back(value());
    } else if (word == "--quick") {
      out.plan.quick = true;
    } else if (word == "--list") {
      out.list = true;
    } else if (word == "--placement") {
      out.plan.placement = value();
    } else if (word == "--plugins") {
      out.plan.places.plugins.push_back(std::filesystem::absolute(value()));
    } else if (word == "--programs") {
      out.plan.places.programs.push_back(std::filesystem::absolute(value()));
    } else if (word == "--suite") {
      out.suite = value();
    } else if (word == "--seed") {
      out.plan.seed = number(value());
    } else if (word == "--jobs") {
      out.plan.jobs = static_cast<int>(std::max<std::uint64_t>(1, number(value())));
    } else if (word == "--junit") {
      out.junit = value();
    } else if (word == "--json") {
      out.json = value();
    } else if (word == "--record") {
      out.record = value();
    } else if (word == "--check") {
      out.check = value();
    } else if (word.starts_with("-")) {
      throw Problem("nobody knows " + word + " (--help)");
    } else {
      out.targets.push_back(word);
    }
  }
  out.plan.cases = std::filesystem::absolute(out.suite + "/cases");
  return out;
}

std::vector<Run> runAll(const Arguments& arguments, const Suite& suite) {
  std::vector<Run> runs;
  for (const std::string& name : arguments.targets) {
    const bool isFile = name.find('/') != std::string::npos || name.ends_with(".json");
    const Target target =
        Target::load(std::filesystem::absolute(isFile ? name : arguments.suite + "/targets/" + name + ".json"));
    bool any = false;
    for (const std::string& placement : target.placements) {
      if (!arguments.plan.placement.empty() && arguments.plan.placement != placement) continue;
      any = true;
      printHead(Run{target, placement, {}, {}, {}}, arguments.plan.seed);
      runs.push_back(runTarget(arguments.plan, suite, target, placement, printCase));
      if (runs.back().cases.empty()) throw Problem("no case fits");
      printSums(runs.back(), arguments.plan);
    }
    if (!any) throw Problem(target.name + " is not run " + arguments.plan.placement);
  }
  return runs;
}

int report(const Arguments& arguments, const Suite& suite, const std::vector<Run>& runs) {
  bool good = true;
  for (const Run& run : runs) {
    for (const CaseResult& each : run.cases) good = good && each.good();
  }
  if (!arguments.junit.empty()) writeFile(arguments.junit, junit(runs));
  if (!arguments.json.empty()) writeFile(arguments.json, details(runs, arguments.plan.seed).print(2));
  if (!arguments.check.empty()) {
    for (const std::string& each : contradictions(Value::readFile(arguments.check), suite, runs)) {
      std::fprintf(stderr, "%s: %s (conformance --record brings it up to date)\n", arguments.check.c_str(),
                   each.c_str());
      good = false;
    }
  }
  if (!arguments.record.empty()) {
    const bool there = std::filesystem::exists(arguments.record);
    writeFile(arguments.record, record(there ? Value::readFile(arguments.record) : Value(), suite, runs).print(2));
  }
  return good ? 0 : 1;
}

int run(const std::vector<std::string>& words) {
  const std::string program = std::filesystem::read_symlink("/proc/self/exe");
  if (words.size() == 2 && words[0] == "--job") return serveJob(program, words[1]);
  if (words.empty() || words[0] == "--help") {
    std::fputs(kUsage, words.empty() ? stderr : stdout);
    return words.empty() ? 2 : 0;
  }
  Arguments arguments = parse(words);
  arguments.plan.program = program;
  const Suite suite = Suite::load(arguments.plan.cases);
  if (arguments.list) {
    for (const Case& each : suite.cases) std::printf("%-44s %s\n", each.id.c_str(), each.why.c_str());
    return 0;
  }
  if (arguments.targets.empty()) throw Problem("no target is named (--help)");
  return report(arguments, suite, runAll(arguments, suite));
}

}  // namespace
}  // namespace computesdk::conformance

int main(int argc, char** argv) {
  try {
    return computesdk::conformance::run({argv + 1, argv + argc});
  } catch (const std::exception& error) {
    std::fprintf(stderr, "conformance: %s\n", error.what());
    return 2;
  }
}
