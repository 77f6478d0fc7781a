#include "commands/command.hpp"

#include "core/answer.hpp"
#include "core/context.hpp"

namespace computesdk::sandboxd {
namespace {

void addNames(JsonObject& data, const Command& command) {
  data.text("terminal_id", command.terminalId).text("cmd_id", command.id).text("command", command.order.command);
}

void addStreams(JsonObject& data, const Command& command) {
  data.text("stdout", command.out.bytes()).text("stderr", command.err.bytes());
  const auto lost = [](const Output& output) {
    return output.dropped() > 0 ? std::optional<std::int64_t>(output.dropped()) : std::nullopt;
  };
  data.numberIfAny("stdout_dropped", lost(command.out)).numberIfAny("stderr_dropped", lost(command.err));
}

void addEnd(JsonObject& data, const Command& command) {
  if (!command.finished()) return;
  data.numberIfAny("exit_code", command.exitCode).number("duration_ms", command.duration.count());
}

void addTimes(JsonObject& data, const Command& command) {
  data.text("started_at", timestamp(command.startedAt));
  if (command.finished()) data.text("finished_at", timestamp(command.finishedAt));
  addEnd(data, command);
}

}  // namespace

const char* Command::statusText() const {
  if (status == Status::completed) return "completed";
  return status == Status::failed ? "failed" : "running";
}

void Command::finish(Status how, std::optional<int> code) {
  if (finished()) return;
  status = how;
  exitCode = code;
  finishedAt = std::chrono::system_clock::now();
  duration = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - started);
}

std::string runData(const Command& command) {
  JsonObject data;
  addNames(data, command);
  addStreams(data, command);
  addEnd(data, command);
  return data.text("status", command.statusText()).str();
}

std::string startData(const Command& command) {
  JsonObject data;
  addNames(data, command);
  data.text("stdout", "").text("stderr", "").text("status", "running");
  if (command.order.stream) data.text("channel", command.channel());
  return data.str();
}

std::string commandData(const Command& command) {
  JsonObject data;
  data.text("cmd_id", command.id).text("command", command.order.command).text("status", command.statusText());
  addStreams(data, command);
  addTimes(data, command);
  return data.str();
}

std::string commandEntry(const Command& command) {
  JsonObject data;
  data.text("cmd_id", command.id).text("command", command.order.command).text("status", command.statusText());
  addTimes(data, command);
  return data.str();
}

std::string commandMessage(const Command& command) {
  if (!command.finished())
    return command.status == Command::Status::waiting ? "Command waits for command:start" : "Command started";
  std::string text = command.status == Command::Status::completed ? "Command completed" : "Command was killed";
  const auto lost = command.out.dropped() + command.err.dropped();
  if (lost > 0) text += "; " + std::to_string(lost) + " bytes at the end of its output were too much and are missing";
  return text;
}

}  // namespace computesdk::sandboxd
