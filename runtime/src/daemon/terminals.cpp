#include <computesdk/sandbox.hpp>
#include <computesdk/terminal.hpp>

#include "core/errors.hpp"
#include "daemon/collection.hpp"
#include "files/base64.hpp"

namespace computesdk {

using detail::askFor;
using detail::below;
using detail::DaemonCall;
using detail::JsonText;
using detail::JsonView;

namespace {

constexpr detail::Collection kTerminals{"terminal", "terminals", "/terminals", "terminals"};

TerminalInfo terminalFrom(const JsonView& json) {
  TerminalInfo info;
  info.id = json.textOr("id");
  info.pty = json["pty"].booleanOr(false);
  info.status = json.textOr("status");
  return info;
}

TerminalCommand commandFrom(const JsonView& json, const std::string& terminal) {
  TerminalCommand command;
  command.id = json.textOr("cmd_id");
  command.terminalId = json["terminal_id"].present() ? json.textOr("terminal_id") : terminal;
  command.command = json.textOr("command");
  command.status = json.textOr("status");
  command.stdout_ = json.textOr("stdout");
  command.stderr_ = json.textOr("stderr");
  if (const auto code = json["exit_code"].integer()) command.exitCode = static_cast<int>(*code);
  if (const auto ms = json["duration_ms"].integer()) command.duration = std::chrono::milliseconds(*ms);
  command.startedAt = json["started_at"].time();
  command.finishedAt = json["finished_at"].time();
  return command;
}

ErrorInfo needsPty(std::string_view what) {
  return detail::invalidArgument(std::string(what), "the terminal has no PTY", "create it with .pty = true");
}

/// What a terminal:output message prints.
std::string outputFrom(const JsonView& data) {
  const std::string_view text = data["output"].text();
  if (data["encoding"].text() != "base64") return std::string(text);
  std::vector<std::byte> bytes;
  detail::Base64Decoder decoder;
  if (!decoder.feed(text, bytes)) return {};
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

Terminal::Terminal(std::shared_ptr<detail::SandboxState> sandbox, TerminalInfo info)
    : sandbox_(std::move(sandbox)),
      info_(std::move(info)),
      events_(std::make_shared<detail::EventChannel>(sandbox_, "terminal:" + info_.id)) {}

Result<std::uint64_t> Terminal::on(Nothrow, TerminalEvent event, TerminalHandler handler) {
  if (!info_.pty) return needsPty("cannot listen to the terminal");
  return events_->listen([event, handler = std::move(handler)](std::string_view type, const JsonView& data) {
    if (event == TerminalEvent::output && type == "terminal:output") {
      if (const std::string text = outputFrom(data); !text.empty()) handler(text);
    } else if (event == TerminalEvent::error && type == "terminal:error") {
      handler(data["error"].text());
    } else if (event == TerminalEvent::error && type == detail::MessageSocket::kLost) {
      handler("the connection to the sandbox's daemon is lost");
    } else if (event == TerminalEvent::destroyed && type == "terminal:destroyed") {
      handler({});
    }
  });
}

void Terminal::off(std::uint64_t handler) noexcept { events_->leave(handler); }

Result<void> Terminal::write(Nothrow, std::string_view input, std::stop_token stop) {
  if (!info_.pty) return needsPty("cannot write to the terminal");
  JsonText text;
  text.beginObject().member("type", "terminal:input").member("channel", "").key("data");
  text.beginObject().member("terminal_id", info_.id).member("input", input).endObject().endObject();
  return sandbox_->daemon().socket().send(text.take(), stop);
}

Result<void> Terminal::resize(Nothrow, std::uint32_t columns, std::uint32_t rows, std::stop_token stop) {
  if (!info_.pty) return needsPty("cannot resize the terminal");
  if (columns == 0 || rows == 0 || columns > 65535 || rows > 65535) {
    return detail::invalidArgument("cannot resize the terminal", "columns and rows are from 1 to 65535");
  }
  JsonText text;
  text.beginObject().member("type", "terminal:resize").member("channel", "").key("data");
  text.beginObject().member("terminal_id", info_.id).member("cols", std::int64_t{columns});
  text.member("rows", std::int64_t{rows}).endObject().endObject();
  return sandbox_->daemon().socket().send(text.take(), stop);
}

Result<TerminalCommand> Terminal::execute(Nothrow, std::string_view command, const TerminalRunOptions& options) {
  JsonText text;
  text.beginObject().member("command", command).member("background", options.background).endObject();
  DaemonCall call{"cannot run a command in the terminal", "POST", kTerminals.pathOf(info_.id) + "/execute"};
  call.body = text.take();
  call.timeout.reset();  // a command takes as long as it takes
  call.stop = options.stop;
  return askFor<TerminalCommand>(*sandbox_, call, [&](const JsonView& json) { return commandFrom(json, info_.id); });
}

Result<std::vector<TerminalCommand>> Terminal::commands(Nothrow, std::stop_token stop) {
  DaemonCall call{"cannot list the terminal's commands", "GET", kTerminals.pathOf(info_.id) + "/commands"};
  call.stop = std::move(stop);
  return askFor<std::vector<TerminalCommand>>(*sandbox_, call, [&](const JsonView& json) {
    std::vector<TerminalCommand> all;
    json["commands"].eachItem([&](const JsonView& one) { all.push_back(commandFrom(one, info_.id)); });
    return all;
  });
}

Result<TerminalCommand> Terminal::command(Nothrow, std::string_view id, std::stop_token stop) {
  DaemonCall call{"cannot look at a command", "GET", below(kTerminals.pathOf(info_.id) + "/commands/", id)};
  call.stop = std::move(stop);
  return askFor<TerminalCommand>(*sandbox_, call, [&](const JsonView& json) { return commandFrom(json, info_.id); });
}

Result<TerminalCommand> Terminal::waitForCommand(Nothrow, std::string_view id, std::chrono::seconds timeout,
                                                 std::stop_token stop) {
  DaemonCall call{"cannot wait for a command", "GET", below(kTerminals.pathOf(info_.id) + "/commands/", id) + "/wait"};
  if (timeout.count() < 0) return detail::invalidArgument(call.what, "the timeout is negative", "give 0 for none");
  if (timeout.count() > 0) call.target += "?timeout=" + std::to_string(timeout.count());
  call.timeout.reset();
  if (timeout.count() > 0) call.timeout = timeout + std::chrono::seconds(30);
  call.stop = std::move(stop);
  return askFor<TerminalCommand>(*sandbox_, call, [&](const JsonView& json) { return commandFrom(json, info_.id); });
}

Result<void> Terminal::destroy(Nothrow, std::stop_token stop) {
  return detail::destroyOne(*sandbox_, kTerminals, info_.id, std::move(stop));
}

Result<Terminal> Terminals::create(Nothrow, const TerminalOptions& options) {
  JsonText text;
  text.beginObject().member("pty", options.pty).memberIfAny("shell", options.shell).endObject();
  return detail::createOne<Terminal>(*sandbox_, kTerminals, text.take(), options.stop,
                                     [&](const JsonView& json) { return Terminal(sandbox_, terminalFrom(json)); });
}

Result<std::vector<TerminalInfo>> Terminals::list(Nothrow, std::stop_token stop) {
  return detail::listAll<TerminalInfo>(*sandbox_, kTerminals, std::move(stop), terminalFrom);
}

Result<Terminal> Terminals::retrieve(Nothrow, std::string_view id, std::stop_token stop) {
  return detail::findOne<Terminal>(*sandbox_, kTerminals, id, std::move(stop),
                                   [&](const JsonView& json) { return Terminal(sandbox_, terminalFrom(json)); });
}

Result<void> Terminals::destroy(Nothrow, std::string_view id, std::stop_token stop) {
  return detail::destroyOne(*sandbox_, kTerminals, id, std::move(stop));
}

Terminals Sandbox::terminals() const { return Terminals(state_); }

}  // namespace computesdk
