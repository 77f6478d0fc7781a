#include "report.hpp"

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <map>

namespace computesdk::conformance {
namespace {

void print(const std::string& text) { std::fputs(text.c_str(), stdout); }

std::string indented(const std::string& text, const std::string& by) {
  std::string out = by;
  for (const char c : text) {
    out += c;
    if (c == '\n') out += by;
  }
  return out;
}

std::string word(const std::string& outcome) {
  static const std::map<std::string, std::string> kWords = {
      {"passed", "ok"},         {"not_offered", "refused"},    {"not_applicable", "n/a"},
      {"deviates", "deviates"}, {"undeclared_pass", "PASSES"}, {"failed", "FAILED"},
      {"broken", "BROKEN"},     {"crashed", "CRASHED"},        {"hung", "HUNG"}};
  return kWords.at(outcome);
}

std::size_t count(const Run& run, const std::string& outcome) {
  return static_cast<std::size_t>(std::ranges::count(run.cases, outcome, &CaseResult::outcome));
}

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : Value(text).print()) {  // quoted JSON: no control characters, valid UTF-8
    switch (c) {
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '&': out += "&amp;"; break;
      case '"': out += "&quot;"; break;
      default: out += c;
    }
  }
  return out.substr(6, out.size() - 12);
}

std::string seconds(std::chrono::milliseconds time) {
  std::string out(16, '\0');
  out.resize(static_cast<std::size_t>(
      std::snprintf(out.data(), out.size(), "%.3f", static_cast<double>(time.count()) / 1000)));
  return out;
}

Value caseNames(const Suite& suite) {
  std::vector<std::string> ids;
  for (const Case& each : suite.cases) ids.push_back(each.id);
  std::ranges::sort(ids);
  Value out(Value::Array{});
  for (std::string& id : ids) out.add(std::move(id));
  return out;
}

/// The entry of one target: the runs are those of its placements.
Value recordOf(const Suite& suite, const std::vector<const Run*>& runs) {
  const Target& target = runs.front()->target;
  Value placements(Value::Array{});
  for (const std::string& each : target.placements) {
    const auto found = std::ranges::find(runs, each, &Run::placement);
    if (found == runs.end()) throw Problem(target.name + " has not run " + each);
    if ((*found)->cases.size() != suite.cases.size()) throw Problem(target.name + " has not run every case");
    placements.add(each);
  }
  Value notOffered(Value::Array{});
  Value notApplicable(Value::Array{});
  Value deviations(Value::Array{});
  std::int64_t passed = 0;
  for (std::size_t i = 0; i < suite.cases.size(); ++i) {
    const CaseResult& first = runs.front()->cases[i];
    for (const Run* run : runs) {
      const CaseResult& result = run->cases[i];
      if (!result.good()) throw Problem(target.name + ": " + result.id + ": " + result.outcome);
      if (result.outcome != "deviates") continue;
      Value one;
      one.set("case", result.id).set("placement", run->placement);
      deviations.add(one.set("because", result.message));
    }
    if (first.outcome == "passed") ++passed;
    if (first.outcome == "not_offered") notOffered.add(first.id);
    if (first.outcome == "not_applicable") notApplicable.add(first.id);
  }
  Value out;
  out.set("provider", target.provider).set("placements", std::move(placements));
  out.set("capabilities", runs.front()->capabilities).set("passed", passed);
  out.set("not_offered", std::move(notOffered)).set("not_applicable", std::move(notApplicable));
  return out.set("deviations", std::move(deviations));
}

bool holds(const Value& list, const std::string& id) {
  return std::ranges::find(list.asArray(), Value(id)) != list.asArray().end();
}

std::string recordedOutcome(const Value& entry, const CaseResult& result, const std::string& placement) {
  for (const Value& each : entry.at("deviations").asArray()) {
    if (each.at("case").asString() == result.id && each.at("placement").asString() == placement) return "deviates";
  }
  if (holds(entry.at("not_offered"), result.id)) return "not_offered";
  return holds(entry.at("not_applicable"), result.id) ? "not_applicable" : "passed";
}

}  // namespace

void printHead(const Run& run, std::uint64_t seed) {
  print("=== " + run.target.name + " " + run.placement + "  seed " + std::to_string(seed) + "\n");
}

void printCase(const CaseResult& result) {
  std::string line(128, '\0');
  line.resize(static_cast<std::size_t>(std::snprintf(line.data(), line.size(), "  %-8s %-44s %6ld ms",
                                                     word(result.outcome).c_str(), result.id.c_str(),
                                                     static_cast<long>(result.took.count()))));
  if (result.outcome == "deviates" || result.outcome == "not_offered") line += "  " + result.message;
  line += "\n";
  if (!result.good()) {
    line += "           " + result.why + "\n" + indented(result.message, "           > ") + "\n";
    std::string output = result.output.substr(result.output.size() > 4000 ? result.output.size() - 4000 : 0);
    if (!output.empty()) line += indented(output, "           | ") + "\n";
  }
  print(line);
  std::fflush(stdout);
}

void printSums(const Run& run, const Plan& plan) {
  const std::size_t bad =
      static_cast<std::size_t>(std::ranges::count_if(run.cases, [](const CaseResult& r) { return !r.good(); }));
  print(run.target.name + " " + run.placement + ": " + std::to_string(count(run, "passed")) + " passed, " +
        std::to_string(count(run, "not_offered")) + " refused as not offered, " +
        std::to_string(count(run, "deviates")) + " declared deviations, " +
        std::to_string(count(run, "not_applicable")) + " not applicable, " + std::to_string(bad) + " FAILED, in " +
        seconds(run.took) + " s\n");
  int told = 0;
  for (const CaseResult& each : run.cases) {
    if (!each.good() && ++told <= 10)
      print("  again: conformance " + run.target.name + " --placement " + run.placement + " --case " + each.id +
            " --seed " + std::to_string(plan.seed) + "\n");
  }
}

std::string junit(const std::vector<Run>& runs) {
  std::string out = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n";
  for (const Run& run : runs) {
    const auto bad = std::ranges::count_if(run.cases, [](const CaseResult& r) { return !r.good(); });
    const std::size_t skipped = run.cases.size() - static_cast<std::size_t>(bad) - count(run, "passed");
    const std::string name = run.target.name + "." + run.placement;
    out += "  <testsuite name=\"" + escaped(name) + "\" tests=\"" + std::to_string(run.cases.size()) +
           "\" failures=\"" + std::to_string(bad) + "\" skipped=\"" + std::to_string(skipped) + "\" time=\"" +
           seconds(run.took) + "\">\n";
    for (const CaseResult& each : run.cases) {
      out += "    <testcase classname=\"" + escaped(name) + "\" name=\"" + escaped(each.id) + "\" time=\"" +
             seconds(each.took) + "\"";
      if (each.outcome == "passed") {
        out += "/>\n";
      } else if (each.good()) {
        out += "><skipped message=\"" + escaped(each.outcome + ": " + each.message) + "\"/></testcase>\n";
      } else {
        out += "><failure message=\"" + escaped(each.outcome + ": " + each.message) + "\">" + escaped(each.output) +
               "</failure></testcase>\n";
      }
    }
    out += "  </testsuite>\n";
  }
  return out + "</testsuites>\n";
}

Value details(const std::vector<Run>& runs, std::uint64_t seed) {
  Value all(Value::Array{});
  for (const Run& run : runs) {
    Value cases(Value::Array{});
    for (const CaseResult& each : run.cases) {
      Value one;
      one.set("id", each.id).set("outcome", each.outcome).set("message", each.message);
      cases.add(one.set("ms", static_cast<std::int64_t>(each.took.count())));
    }
    Value one;
    one.set("target", run.target.name).set("provider", run.target.provider).set("placement", run.placement);
    one.set("capabilities", run.capabilities).set("ms", static_cast<std::int64_t>(run.took.count()));
    all.add(one.set("cases", std::move(cases)));
  }
  Value out;
  return out.set("seed", static_cast<std::int64_t>(seed)).set("runs", std::move(all));
}

Value record(const Value& before, const Suite& suite, const std::vector<Run>& runs) {
  std::map<std::string, Value> entries;
  if (const Value* old = before.find("targets")) {
    for (const auto& [name, entry] : old->asObject()) entries[name] = entry;
  }
  std::map<std::string, std::vector<const Run*>> byTarget;
  for (const Run& run : runs) byTarget[run.target.name].push_back(&run);
  for (const auto& [name, list] : byTarget) entries[name] = recordOf(suite, list);
  Value targets(Value::Object{});
  for (auto& [name, entry] : entries) targets.set(name, std::move(entry));
  Value capabilities(Value::Array{});
  for (const Capability& each : suite.capabilities) {
    Value one;
    capabilities.add(one.set("name", each.name).set("title", each.title));
  }
  Value out;
  out.set("about", "Written by `conformance --record`; read by docs/update.");
  out.set("capabilities", std::move(capabilities)).set("cases", caseNames(suite));
  return out.set("targets", std::move(targets));
}

std::vector<std::string> contradictions(const Value& record, const Suite& suite, const std::vector<Run>& runs) {
  std::vector<std::string> out;
  if (record.at("cases") != caseNames(suite)) out.emplace_back("it was made with other cases than these");
  for (const Run& run : runs) {
    const Value* entry = record.at("targets").find(run.target.name);
    if (entry == nullptr) {
      out.push_back("it does not know " + run.target.name);
      continue;
    }
    if (!run.capabilities.isNull() && entry->at("capabilities") != run.capabilities)
      out.push_back(run.target.name + ": the capabilities are " + run.capabilities.print());
    for (const CaseResult& each : run.cases) {
      const std::string recorded = recordedOutcome(*entry, each, run.placement);
      if (recorded != each.outcome)
        out.push_back(run.target.name + " " + run.placement + ": " + each.id + " is " + each.outcome + ", not " +
                      recorded);
    }
  }
  return out;
}

void writeFile(const std::string& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary);
  file << text << (text.ends_with('\n') ? "" : "\n");
  if (!file.flush()) throw Problem(path + ": cannot be written");
}

}  // namespace computesdk::conformance
