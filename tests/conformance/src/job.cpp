#include "job.hpp"

#include <fcntl.h>

#include <atomic>
#include <fstream>
#include <iterator>

namespace computesdk::conformance {
namespace {

namespace fs = std::filesystem;

Value list(const std::vector<std::string>& texts) {
  Value out(Value::Array{});
  for (const std::string& each : texts) out.add(each);
  return out;
}

std::vector<std::string> texts(const Value& list) {
  std::vector<std::string> out;
  for (const Value& each : list.asArray()) out.push_back(each.asString());
  return out;
}

std::string readAll(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

Value Job::value() const {
  Value out;
  out.set("target", target).set("placement", placement).set("cases", cases);
  out.set("plugins", list(places.plugins)).set("programs", list(places.programs));
  out.set("scratch", scratch.string()).set("simulator_url", simulatorUrl).set("case", caseId);
  out.set("steps", steps).set("variables", variables).set("sweep", sweep);
  return out.set("seed", static_cast<std::int64_t>(seed >> 1));
}

Job Job::parse(const Value& value) {
  Job out;
  out.target = value.at("target").asString();
  out.placement = value.at("placement").asString();
  out.cases = value.at("cases").asString();
  out.places = {texts(value.at("plugins")), texts(value.at("programs"))};
  out.scratch = value.at("scratch").asString();
  out.simulatorUrl = value.at("simulator_url").asString();
  out.caseId = value.at("case").asString();
  out.steps = value.at("steps");
  out.variables = value.at("variables");
  out.sweep = value.at("sweep").asBool();
  out.seed = static_cast<std::uint64_t>(value.at("seed").asInt()) << 1;
  return out;
}

JobResult runJob(const std::string& program, const Job& job, const Environment& environment,
                 std::chrono::milliseconds limit) {
  static std::atomic<int> number{0};
  const fs::path file = job.scratch / ("job-" + std::to_string(::getpid()) + "-" + std::to_string(++number) + ".json");
  const fs::path output = file.string() + ".output";
  std::ofstream(file) << job.value().print();
  const auto begin = std::chrono::steady_clock::now();
  Child::Options options;
  options.argv = {program, "--job", file};
  options.environment = environment;
  options.outputFile = output;
  Child child(options);
  const auto status = child.wait(limit);
  JobResult result;
  result.took = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begin);
  if (!status) {
    child.kill();
    result.outcome = "hung";
    result.message = "it had not ended after " + std::to_string(limit.count()) + " ms";
  } else if (const fs::path answer = file.string() + ".result"; *status == 0 && fs::exists(answer)) {
    const Value said = Value::readFile(answer);
    result.outcome = said.at("outcome").asString();
    result.message = said.at("message").asString();
    result.capabilities = said.at("capabilities");
  } else {
    result.message = "the process ended with " + describeStatus(*status);
  }
  result.output = readAll(output);
  return result;
}

}  // namespace computesdk::conformance
