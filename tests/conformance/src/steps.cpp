// How a step runs, whatever its verb: variables filled in, its end compared with what is expected.
#include "match.hpp"
#include "scope.hpp"

#include <algorithm>
#include <array>
#include <chrono>

namespace computesdk::conformance {
namespace {

constexpr std::array<std::string_view, 9> kMembers = {"on",      "as",  "expect",   "error",     "stop",
                                                      "took_ms", "why", "may_fail", "may_refuse"};

/// The value of `${a.b.0}`. Throws Problem.
const Value& lookUp(const Value& variables, std::string_view path) {
  const Value* at = &variables;
  for (std::string_view rest = path; !rest.empty();) {
    const std::string_view key = rest.substr(0, rest.find('.'));
    rest.remove_prefix(std::min(key.size() + 1, rest.size()));
    if (at->isArray()) {
      const auto index = static_cast<std::size_t>(std::stoul(std::string(key)));
      at = index < at->asArray().size() ? &at->asArray()[index] : nullptr;
    } else {
      at = at->find(key);
    }
    if (at == nullptr) throw Problem("nobody knows ${" + std::string(path) + "}");
  }
  return *at;
}

std::string fillText(const std::string& text, const Value& variables) {
  std::string out;
  std::size_t at = 0;
  for (;;) {
    const std::size_t begin = text.find("${", at);
    if (begin == std::string::npos) return out + text.substr(at);
    const std::size_t end = text.find('}', begin);
    if (end == std::string::npos) throw Problem("a variable does not end in " + shown(text));
    const Value& value = lookUp(variables, std::string_view(text).substr(begin + 2, end - begin - 2));
    out += text.substr(at, begin - at) + (value.isString() ? value.asString() : value.print());
    at = end + 1;
  }
}

/// A text that is one variable and nothing else becomes its value. The steps inside of others fill in their own, for
/// what they need may not exist yet.
Value fill(const Value& value, const Value& variables) {
  if (value.isString()) {
    const std::string& text = value.asString();
    if (text.find("${") == std::string::npos) return value;
    if (text.starts_with("${") && text.find('}') == text.size() - 1)
      return lookUp(variables, std::string_view(text).substr(2, text.size() - 3));
    return fillText(text, variables);
  }
  if (value.isArray()) {
    Value out(Value::Array{});
    for (const Value& each : value.asArray()) out.add(fill(each, variables));
    return out;
  }
  if (!value.isObject()) return value;
  Value out(Value::Object{});
  for (const auto& [key, each] : value.asObject())
    out.set(fillText(key, variables), key == "steps" ? each : fill(each, variables));
  return out;
}

std::string joined(const std::vector<std::string>& lines) {
  std::string out;
  for (const std::string& line : lines) out += (out.empty() ? "" : "\n") + line;
  return out;
}

/// What holds for every error of every provider: it says what failed and where, and no secret.
void checkError(const Scope& scope, const ErrorInfo& error) {
  if (error.what.empty()) throw Failure("an error does not say what failed: " + formatError(error));
  if (error.provider != scope.world.target.provider && error.code != ErrorCode::invalidArgument &&
      error.code != ErrorCode::cancelled)
    throw Failure("an error does not say whose it is (\"" + error.provider + "\"): " + formatError(error));
  const std::string all = formatError(error) + error.vendorText + error.vendorCode;
  for (const std::string& secret : scope.world.secrets) {
    if (all.find(secret) != std::string::npos) throw Failure("an error shows a secret: " + error.what);
  }
}

void judge(const Scope& scope, const Value& step, const Outcome& outcome) {
  if (!outcome) checkError(scope, outcome.error());
  if (const Value* wanted = step.find("error")) {
    if (outcome) throw Failure("expected an error like " + shown(*wanted) + ", got " + shown(*outcome));
    if (const auto all = mismatches(*wanted, errorValue(outcome.error()), "error"); !all.empty())
      throw Failure(joined(all) + "\nthe error was: " + formatError(outcome.error()));
    return;
  }
  if (!outcome && step.flag("may_refuse") && outcome.error().code == ErrorCode::unsupported) {
    if (outcome.error().fix.empty()) throw Failure("a refusal shows no way out: " + formatError(outcome.error()));
    throw Refused(outcome.error().firstLine());
  }
  const Value* allowed = step.find("may_fail");
  if (!outcome && (allowed == nullptr || !mismatches(*allowed, errorValue(outcome.error()), "error").empty()))
    throw Failure(formatError(outcome.error()));
  if (!outcome) return;
  if (const Value* wanted = step.find("expect")) {
    if (const auto all = mismatches(*wanted, *outcome); !all.empty()) throw Failure(joined(all));
  }
}

}  // namespace

void runStep(Scope& scope, const Value& raw) {
  std::string verb;
  for (const auto& member : raw.asObject()) {
    if (std::ranges::find(kMembers, std::string_view(member.first)) != kMembers.end()) continue;
    if (!verb.empty()) throw Problem("a step has two verbs: " + verb + " and " + member.first);
    verb = member.first;
  }
  const Verb run = findVerb(verb);
  if (run == nullptr) throw Problem("nobody knows the verb \"" + verb + "\"");
  scope.trail.push_back(verb);
  const Value* stop = raw.find("stop");
  const Value step = fill(raw, scope.variables);
  const auto begin = std::chrono::steady_clock::now();
  Outcome outcome = [&]() -> Outcome {
    Stopper stopper(stop, *scope.random);
    Step context{scope, step.at(verb), step, stopper};
    return run(context);
  }();
  const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - begin;
  judge(scope, step, outcome);
  if (const Value* limit = step.find("took_ms")) {
    if (const auto all = mismatches(*limit, Value(took.count()), "time taken in ms"); !all.empty())
      throw Failure(joined(all));
  }
  if (const Value* as = step.find("as"); as != nullptr && outcome) scope.variables.set(as->asString(), *outcome);
  scope.trail.pop_back();
}

void runSteps(Scope& scope, const Value& steps) {
  int number = 0;
  for (const Value& step : steps.asArray()) {
    scope.trail.push_back(std::to_string(++number));
    runStep(scope, step);
    scope.trail.pop_back();
  }
}

}  // namespace computesdk::conformance
