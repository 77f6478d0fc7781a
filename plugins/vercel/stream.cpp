#include "vercel/stream.hpp"

namespace computesdk::vercel {
namespace {

using vendor::Failure;
using vendor::Json;
using vendor::JsonDocument;
using vendor::JsonValue;

constexpr std::size_t kErrorBodyMax = std::size_t{64} << 10;
/// What stands for bytes that are no UTF-8.
constexpr std::string_view kReplaced = "\xef\xbf\xbd";

}  // namespace

JsonValue commandBody(const std::vector<std::string>& argv, bool wait) {
  JsonValue args = JsonValue::array();
  for (std::size_t i = 1; i < argv.size(); ++i) args.push(argv[i]);
  JsonValue body = JsonValue::object();
  body.set("command", argv.at(0)).set("args", std::move(args)).set("env", JsonValue::object()).set("sudo", false);
  if (wait) body.set("wait", true).set("logs", true);
  return body;
}

CommandStream::CommandStream(Machine& machine, const JsonValue& command, Output output)
    : machine_(machine), output_(std::move(output)) {
  vendor::Request request = machine.post("/cmd", command);
  request.idleTimeoutMs = 0;
  vendor::Handlers handlers;
  handlers.head = [this](const vendor::Answer& head) { takeHead(head); };
  handlers.data = [this](std::string_view bytes) { takeData(bytes); };
  handlers.end = [this] { over_ = true; };
  handlers.fail = [this](const Failure& failure) {
    broken_ = failure;
    over_ = true;
  };
  request_ = machine_.session().start(request, std::move(handlers));
}

CommandStream::~CommandStream() { machine_.session().close(request_); }

void CommandStream::takeHead(const vendor::Answer& head) {
  answer_ = head;
  if (!head.ok() || head.header("content-type").starts_with("application/x-ndjson")) return;
  throw plugin::Error(CSDK_UNAVAILABLE, "Vercel's answer to a command is no stream of lines")
      .errorClass(CSDK_ERROR_PROTOCOL)
      .maybeApplied();
}

void CommandStream::takeData(std::string_view bytes) {
  if (!answer_.ok()) {
    if (answer_.body.size() < kErrorBodyMax) answer_.body += bytes.substr(0, kErrorBodyMax);
    return;
  }
  decoder_.feed(bytes);
  while (!over_) {
    const auto line = decoder_.next();
    if (!line) return;
    takeLine(*line);
  }
}

void CommandStream::takeLine(std::string_view line) {
  if (line.empty()) return;
  const JsonDocument message = JsonDocument::parse(line, "Vercel's line about a command");
  if (const Json command = message["command"]) {
    // The first such line says that it runs, the second how it ended.
    const auto code = command["exitCode"].asInteger();
    if (begun_ && !code) {
      throw plugin::Error(CSDK_UNAVAILABLE, "Vercel said that a command ended, but not how")
          .errorClass(CSDK_ERROR_PROTOCOL)
          .maybeApplied();
    }
    if (begun_) exitCode_ = code, over_ = true;
    begun_ = true;
    return;
  }
  const std::string_view stream = message.root().textOr("stream");
  if (stream == "error") {
    errorCode_ = message["data"].textOr("code", "unknown");
    errorMessage_ = message["data"].textOr("message");
    over_ = true;
  } else if (stream == "stdout" || stream == "stderr") {
    const std::string_view text = message.root().text("data");
    lossy_ = lossy_ || text.find(kReplaced) != std::string_view::npos;
    if (!text.empty() && output_) output_(stream == "stderr", text);
  }
}

void CommandStream::check() {
  if (exitCode_) return;
  if (!errorCode_.empty()) throw machine_.failure(errorCode_, errorMessage_).error();
  if (answer_.status != 0 && !answer_.ok()) throw machine_.failure(answer_, true).error();
  Failure failure;
  if (broken_) {
    failure = *broken_;
  } else {
    failure.is(CSDK_UNAVAILABLE, CSDK_ERROR_NETWORK);
    failure.message = "the connection to the sandbox ended while the command was running";
    failure.maybeApplied = true;
  }
  // What never left has met no sandbox.
  throw(failure.maybeApplied ? machine_.broken(std::move(failure)) : std::move(failure)).error();
}

}  // namespace computesdk::vercel
