// Verbs about commands and code: run to the end, or start, feed, kill, wait.
#include "match.hpp"
#include "scope.hpp"

#include <map>

namespace computesdk::conformance {
namespace {

using std::chrono::milliseconds;

constexpr std::int64_t kWaitMs = 15000;

/// A command as a case writes it: "shell line", ["program", "argument"], or an object with either and options.
struct Spoken {
  std::string line;
  std::vector<std::string> argv;
  bool isArgv = false;
  std::string input;
  RunOptions options;
};

std::vector<std::string> words(const Value& list) {
  std::vector<std::string> out;
  for (const Value& word : list.asArray()) out.push_back(bytesOf(word));
  return out;
}

Spoken spoken(const Value& value) {
  Spoken out;
  if (value.isString()) {
    out.line = value.asString();
  } else if (value.isArray()) {
    out.argv = words(value);
    out.isArgv = true;
  } else {
    onlyKeys(value, {"command", "argv", "cwd", "env", "timeout_ms", "stdin", "background", "max_output"}, "exec");
    out.line = value.text("command");
    out.isArgv = value.find("argv") != nullptr;
    if (out.isArgv) out.argv = words(value.at("argv"));
    out.options.cwd = value.text("cwd");
    out.options.env = stringMap(value.find("env"));
    if (const Value* timeout = value.find("timeout_ms")) out.options.timeout = milliseconds(timeout->asInt());
    if (const Value* input = value.find("stdin")) out.input = bytesOf(*input);
    out.options.background = value.flag("background");
    if (const Value* most = value.find("max_output")) out.options.maxOutput = static_cast<std::size_t>(most->asInt());
  }
  return out;
}

/// Wires a transcript and the step's stop token into a command's options.
void follow(Step& step, const std::shared_ptr<Transcript>& transcript, RunOptions& options, bool stopping) {
  Stopper* stopper = stopping ? &step.stopper : nullptr;
  const auto to = [transcript, stopper](bool error) {
    return [transcript, stopper, error](std::string_view chunk) {
      transcript->add(error, chunk);
      if (stopper != nullptr) stopper->saw(chunk);
    };
  };
  options.onStdout = to(false);
  options.onStderr = to(true);
  if (stopping) options.stop = step.stopper.token();
}

Value resultValue(const CommandResult& result, const Transcript& transcript) {
  Value out = exitValue(result.status);
  std::string line = result.stdout_;
  while (line.ends_with('\n')) line.pop_back();
  out.set("exit", result.exitCode).set("stdout", result.stdout_).set("stderr", result.stderr_).set("line", line);
  out.set("truncated", result.truncated).set("timed_out", result.timedOut).set("command_id", result.commandId);
  out.set("duration_ms", static_cast<std::int64_t>(result.duration.count()));
  return out.set("order", transcript.value().at("order"));
}

template <typename Call>
auto withCommand(const Spoken& what, Call call) {
  return what.isArgv ? call(CommandLine(what.argv)) : call(CommandLine(what.line));
}

Outcome exec(Step& step) {
  Spoken what = spoken(step.arguments);
  what.options.stdin_ = what.input;
  const auto transcript = std::make_shared<Transcript>();
  if (!what.options.background) follow(step, transcript, what.options, true);
  Sandbox& sandbox = step.sandbox();
  auto result =
      withCommand(what, [&](const CommandLine& line) { return sandbox.runCommand(nothrow, line, what.options); });
  if (!result) return std::move(result).error();
  return resultValue(*result, *transcript);
}

Outcome start(Step& step) {
  Spoken what = spoken(step.arguments);
  const auto transcript = std::make_shared<Transcript>();
  follow(step, transcript, what.options, false);
  Sandbox& sandbox = step.sandbox();
  auto started =
      withCommand(what, [&](const CommandLine& line) { return sandbox.runCommandAsync(nothrow, line, what.options); });
  if (!started) return std::move(started).error();
  Value out;
  out.set("id", started->id());
  step.scope.commands[step.name("command")] =
      std::make_shared<RunningCommand>(RunningCommand{transcript, std::make_unique<Command>(std::move(*started))});
  return out;
}

/// False when the text has not come in time, or cannot come any more because the command has ended.
bool awaitText(RunningCommand& running, bool error, const std::string& text, milliseconds limit) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (std::chrono::steady_clock::now() < end) {
    const bool runs = running.command->running();
    if (running.transcript->await(error, text, milliseconds(runs ? 50 : 0))) return true;
    if (!runs) return false;
  }
  return false;
}

/// Waits until a stream of a command holds a text.
Outcome output(Step& step) {
  onlyKeys(step.arguments, {"of", "stdout", "stderr", "within_ms"}, "output");
  RunningCommand& running = step.command();
  const milliseconds limit(step.arguments.integer("within_ms", kWaitMs));
  for (const bool error : {false, true}) {
    const Value* wanted = step.arguments.find(error ? "stderr" : "stdout");
    if (wanted == nullptr || awaitText(running, error, bytesOf(*wanted), limit)) continue;
    throw Failure("no " + shown(*wanted) + " within " + std::to_string(limit.count()) + " ms, only " +
                  shown(running.transcript->value()));
  }
  return running.transcript->value();
}

Outcome input(Step& step) {
  onlyKeys(step.arguments, {"of", "write", "close"}, "input");
  Command& command = *step.command().command;
  if (const Value* text = step.arguments.find("write")) {
    const std::string bytes = bytesOf(*text);
    if (auto written = command.write(nothrow, std::as_bytes(std::span(bytes))); !written)
      return std::move(written).error();
  }
  return step.arguments.flag("close") ? done(command.closeInput(nothrow)) : Outcome(Value(Value::Object{}));
}

Outcome kill(Step& step) {
  onlyKeys(step.arguments, {"of", "signal"}, "kill");
  return done(step.command().command->kill(nothrow, static_cast<int>(step.arguments.integer("signal", 15))));
}

Outcome wait(Step& step) {
  onlyKeys(step.arguments, {"of", "within_ms"}, "wait");
  RunningCommand& running = step.command();
  const milliseconds limit(step.arguments.integer("within_ms", kWaitMs));
  auto result = running.command->wait(nothrow, limit, step.stopper.token());
  if (!result) return std::move(result).error();
  if (!*result) throw Failure("the command still runs after " + std::to_string(limit.count()) + " ms");
  return resultValue(**result, *running.transcript);
}

Outcome detach(Step& step) { return done(step.command().command->detach(nothrow)); }

Outcome code(Step& step) {
  onlyKeys(step.arguments, {"text", "language", "cwd", "env", "timeout_ms", "stdin"}, "code");
  CodeOptions options;
  options.language = step.arguments.text("language");
  options.env = stringMap(step.arguments.find("env"));
  if (const Value* timeout = step.arguments.find("timeout_ms")) options.timeout = milliseconds(timeout->asInt());
  std::string text;
  if (const Value* given = step.arguments.find("stdin")) text = bytesOf(*given);
  options.stdin_ = text;
  options.stop = step.stopper.token();
  auto result = step.sandbox().runCode(nothrow, step.arguments.at("text").asString(), options);
  if (!result) return std::move(result).error();
  Value out;
  out.set("exit", result->exitCode).set("stdout", result->stdout_).set("stderr", result->stderr_);
  return out.set("language", result->language).set("timed_out", result->timedOut);
}

}  // namespace

Verb commandVerb(std::string_view name) {
  static const std::map<std::string_view, Verb> kVerbs = {
      {"exec", exec}, {"start", start}, {"output", output}, {"input", input},
      {"kill", kill}, {"wait", wait},   {"detach", detach}, {"code", code},
  };
  const auto found = kVerbs.find(name);
  return found == kVerbs.end() ? nullptr : found->second;
}

}  // namespace computesdk::conformance
