#include "daytona/follow.hpp"

#include "common/base64.hpp"
#include "common/text.hpp"

#include <utility>

namespace computesdk::daytona {

using plugin::Error;
using vendor::Answer;
using vendor::Failure;
using vendor::JsonDocument;
using vendor::JsonValue;

std::string CommandId::path() const {
  return "/process/session/" + vendor::pathSegment(session) + "/command/" + vendor::pathSegment(command);
}

LogStream::LogStream(Toolbox& toolbox, CommandId id, LogDecoder::Output output)
    : toolbox_(toolbox), id_(std::move(id)), decoder_(std::move(output)) {
  vendor::Handlers handlers;
  handlers.head = [this](const Answer& head) { answer_ = head; };
  handlers.message = [this](std::string_view bytes, bool, bool) { takeBytes(bytes); };
  handlers.closed = [this](int code, std::string_view) {
    closeCode_ = code;
    closed_ = true;
  };
  handlers.fail = [this](const Failure& failure) {
    broken_ = failure;
    closed_ = true;
  };
  request_ = toolbox.session().start(toolbox.webSocket(id_.path() + "/logs?follow=true"), std::move(handlers));
}

LogStream::~LogStream() { toolbox_.session().close(request_, 1000); }

void LogStream::takeBytes(std::string_view bytes) {
  if (answer_.status == 101) return decoder_.feed(bytes);
  if (answer_.body.size() < 65536) answer_.body += bytes;
}

Ended LogStream::ended() {
  if (!decoder_.lacking().empty()) {
    throw Error(CSDK_FAILED_PRECONDITION,
                "the sandbox lacks " + vendor::oneLine(decoder_.lacking(), 80) + ", which commands need here")
        .fix("use an image with sh, dd, base64, mktemp and mkfifo: every Debian, Ubuntu or Alpine has them");
  }
  if (decoder_.ended()) return *decoder_.ended();
  if (broken_) {
    Failure told = toolbox_.broken(*broken_);
    told.maybeApplied = true;
    throw told.error();
  }
  if (answer_.status != 101) throw toolbox_.failure(answer_, true).error();
  // It ended without its last line: the command is over, the sandbox is, or the connection.
  if (closeCode_ == 1000) {
    if (const auto code = exitCodeOf(toolbox_, id_)) return {false, *code};
  }
  Failure failure;
  failure.is(CSDK_UNAVAILABLE, CSDK_ERROR_PROTOCOL);
  failure.message = "the output of a command ended before the command did";
  failure = toolbox_.broken(std::move(failure));
  failure.maybeApplied = true;
  throw failure.error();
}

CommandId startCommand(Toolbox& toolbox, const std::string& session, const std::string& line) {
  JsonValue open = JsonValue::object();
  open.set("sessionId", session);
  toolbox.send(toolbox.post("/process/session", open));
  JsonValue body = JsonValue::object();
  body.set("command", line).set("runAsync", true).set("suppressInputEcho", true);
  const Answer answer = toolbox.send(toolbox.post("/process/session/" + vendor::pathSegment(session) + "/exec", body));
  try {
    return {session, std::string(toolbox.json(answer, "exec").root().text("cmdId"))};
  } catch (Error& error) {
    throw error.maybeApplied();
  }
}

std::optional<int> exitCodeOf(Toolbox& toolbox, const CommandId& id) {
  const JsonDocument told = toolbox.json(toolbox.send(toolbox.request("GET", id.path())), "a command's state");
  if (!told["exitCode"]) return {};
  return static_cast<int>(told.root().integer("exitCode"));
}

vendor::Request inputRequest(const Toolbox& toolbox, const CommandId& id, std::string_view piece) {
  JsonValue body = JsonValue::object();
  body.set("data", (piece.empty() ? "." : vendor::base64Encode(piece)) + "\n");
  return toolbox.post(id.path() + "/input", body);
}

}  // namespace computesdk::daytona
