// Verbs about processes that outlive a call, and terminals.
#include "match.hpp"
#include "scope.hpp"

#include <map>

namespace computesdk::conformance {
namespace {

using std::chrono::milliseconds;

/// By the name that a case gave it, or by its id.
Process process(const Step& step) {
  if (const Value* id = step.arguments.find("id")) return step.sandbox().processes().get(id->asString());
  const std::string name = step.arguments.text("of", "process");
  const auto found = step.scope.processes.find(name);
  if (found == step.scope.processes.end()) throw Problem("there is no process called " + name);
  return *found->second;
}

Outcome startProcess(Step& step) {
  onlyKeys(step.arguments,
           {"command", "argv", "cwd", "env", "timeout_ms", "keep_stdin", "pty", "columns", "rows", "tag"},
           "process_start");
  const Value& from = step.arguments;
  ProcessOptions options;
  options.cwd = from.text("cwd");
  options.env = stringMap(from.find("env"));
  if (const Value* timeout = from.find("timeout_ms")) options.timeout = milliseconds(timeout->asInt());
  options.keepStdin = from.flag("keep_stdin");
  options.pty = from.flag("pty");
  options.columns = static_cast<std::uint32_t>(from.integer("columns", 80));
  options.rows = static_cast<std::uint32_t>(from.integer("rows", 24));
  options.tag = from.text("tag");
  options.stop = step.stopper.token();
  std::vector<std::string> argv;
  if (const Value* words = from.find("argv")) {
    for (const Value& word : words->asArray()) argv.push_back(word.asString());
  }
  const std::string line = from.text("command");
  Processes all = step.sandbox().processes();
  auto started = argv.empty() ? all.start(nothrow, line, options) : all.start(nothrow, argv, options);
  if (!started) return std::move(started).error();
  Value out;
  out.set("id", started->id());
  step.scope.processes[step.name("process")] = std::make_shared<Process>(std::move(*started));
  return out;
}

/// Follows the output to the end, or until it holds the text `until`.
Outcome attach(Step& step) {
  onlyKeys(step.arguments, {"of", "id", "offset", "follow", "until", "within_ms"}, "process_attach");
  std::stop_source enough;
  Transcript transcript;
  std::string all;
  const std::string until = step.arguments.text("until");
  AttachOptions options;
  options.offset = step.arguments.integer("offset");
  options.follow = step.arguments.flag("follow", true);
  options.onOutput = [&](OutputStream stream, std::span<const std::byte> bytes) {
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    transcript.add(stream == OutputStream::standardError, text);
    all += text;
    step.stopper.saw(text);
    if (!until.empty() && all.find(until) != std::string::npos) enough.request_stop();
  };
  options.stop = enough.get_token();
  const std::stop_callback passOn(step.stopper.token(), [&] { enough.request_stop(); });
  auto ended = process(step).attach(nothrow, options);
  if (!ended && !(ended.error().code == ErrorCode::cancelled && !until.empty() && all.find(until) != std::string::npos))
    return std::move(ended).error();
  Value out = ended ? exitValue(*ended) : Value(Value::Object{});
  const Value seen = transcript.value();
  return out.set("stdout", seen.at("stdout")).set("stderr", seen.at("stderr")).set("output", all);
}

Outcome waitFor(Step& step) {
  onlyKeys(step.arguments, {"of", "id"}, "process_wait");
  auto ended = process(step).wait(nothrow, step.stopper.token());
  if (!ended) return std::move(ended).error();
  return exitValue(*ended);
}

Outcome writeTo(Step& step) {
  onlyKeys(step.arguments, {"of", "id", "write", "close"}, "process_write");
  Process to = process(step);
  if (const Value* text = step.arguments.find("write")) {
    const std::string bytes = bytesOf(*text);
    if (auto written = to.write(nothrow, std::as_bytes(std::span(bytes))); !written) return std::move(written).error();
  }
  return step.arguments.flag("close") ? done(to.closeInput(nothrow)) : Outcome(Value(Value::Object{}));
}

Outcome signal(Step& step) {
  onlyKeys(step.arguments, {"of", "id", "signal", "group"}, "process_signal");
  return done(process(step).signal(nothrow, static_cast<int>(step.arguments.integer("signal", 15)),
                                   step.arguments.flag("group", true)));
}

Outcome resize(Step& step) {
  onlyKeys(step.arguments, {"of", "id", "columns", "rows"}, "process_resize");
  return done(process(step).resize(nothrow, static_cast<std::uint32_t>(step.arguments.at("columns").asInt()),
                                   static_cast<std::uint32_t>(step.arguments.at("rows").asInt())));
}

Outcome listProcesses(Step& step) {
  Processes all = step.sandbox().processes();
  auto known = all.list(nothrow, step.stopper.token());
  if (!known) return std::move(known).error();
  Value list(Value::Array{});
  for (const ProcessInfo& each : *known) {
    Value one = exitValue(each.exit);
    one.set("id", each.id).set("command", each.command).set("tag", each.tag);
    list.add(one.set("running", each.running).set("pty", each.pty));
  }
  Value out;
  return out.set("processes", std::move(list));
}

}  // namespace

Verb processVerb(std::string_view name) {
  static const std::map<std::string_view, Verb> kVerbs = {
      {"process_start", startProcess}, {"process_attach", attach}, {"process_wait", waitFor},
      {"process_write", writeTo},      {"process_signal", signal}, {"process_resize", resize},
      {"process_list", listProcesses},
  };
  const auto found = kVerbs.find(name);
  return found == kVerbs.end() ? nullptr : found->second;
}

}  // namespace computesdk::conformance
