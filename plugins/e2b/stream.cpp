#include "e2b/stream.hpp"

#include "common/base64.hpp"
#include "common/text.hpp"

#include <array>
#include <utility>

namespace computesdk::e2b {
namespace {

using vendor::Failure;
using vendor::Json;
using vendor::JsonDocument;

constexpr std::size_t kErrorBodyMax = std::size_t{64} << 10;

struct SignalName {
  std::string_view name;
  int number;
};
/// As Go prints them, for Linux.
constexpr std::array kSignals = {
    SignalName{"hangup", 1},
    SignalName{"interrupt", 2},
    SignalName{"quit", 3},
    SignalName{"illegal instruction", 4},
    SignalName{"trace/breakpoint trap", 5},
    SignalName{"aborted", 6},
    SignalName{"bus error", 7},
    SignalName{"floating point exception", 8},
    SignalName{"killed", 9},
    SignalName{"user defined signal 1", 10},
    SignalName{"segmentation fault", 11},
    SignalName{"user defined signal 2", 12},
    SignalName{"broken pipe", 13},
    SignalName{"alarm clock", 14},
    SignalName{"terminated", 15},
    SignalName{"stack fault", 16},
    SignalName{"cpu time limit exceeded", 24},
    SignalName{"file size limit exceeded", 25},
    SignalName{"virtual timer expired", 26},
    SignalName{"profiling timer expired", 27},
    SignalName{"power failure", 30},
    SignalName{"bad system call", 31},
};

/// "signal: killed (core dumped)" -> 9; "signal 34" -> 34.
int signalNumber(std::string_view status) {
  if (status.starts_with("signal: ")) status.remove_prefix(8);
  status = status.substr(0, status.find(" ("));
  for (const SignalName& signal : kSignals) {
    if (signal.name == status) return signal.number;
  }
  int number = 0;
  if (status.starts_with("signal ")) {
    for (const char c : status.substr(7)) number = c >= '0' && c <= '9' && number < 64 ? number * 10 + (c - '0') : 0;
  }
  return number <= 64 ? number : 0;
}

}  // namespace

ProcessStream::ProcessStream(Envd& envd, const vendor::Request& request, Output output)
    : envd_(envd), output_(std::move(output)) {
  vendor::Handlers handlers;
  handlers.head = [this](const vendor::Answer& head) { takeHead(head); };
  handlers.data = [this](std::string_view bytes) { takeData(bytes); };
  handlers.end = [this] { over_ = true; };
  handlers.fail = [this](const Failure& failure) {
    broken_ = failure;
    over_ = true;
  };
  request_ = envd_.session().start(request, std::move(handlers));
}

ProcessStream::~ProcessStream() { envd_.session().close(request_); }

void ProcessStream::takeHead(const vendor::Answer& head) { answer_ = head; }

void ProcessStream::takeData(std::string_view bytes) {
  if (!answer_.ok()) {
    if (answer_.body.size() < kErrorBodyMax) answer_.body += bytes.substr(0, kErrorBodyMax);
    return;
  }
  if (lastSeen_) return;
  decoder_.feed(bytes);
  while (const auto envelope = decoder_.next()) takeEnvelope(*envelope);
}

void ProcessStream::takeEnvelope(const vendor::ConnectDecoder::Envelope& envelope) {
  if (envelope.compressed()) {
    throw plugin::Error(CSDK_UNAVAILABLE, "the sandbox's daemon compressed its answer, which it was not asked to")
        .errorClass(CSDK_ERROR_PROTOCOL);
  }
  const JsonDocument message = JsonDocument::parse(envelope.message, "the sandbox's daemon's event");
  if (envelope.last()) {
    lastSeen_ = true;
    over_ = true;
    const Json error = message["error"];
    errorCode_ = vendor::oneLine(error.textOr("code", error ? "unknown" : ""), 80);
    errorMessage_ = vendor::oneLine(error.textOr("message"), 400);
    return;
  }
  const Json event = message["event"];
  if (const Json start = event["start"]) pid_ = start.integer("pid");
  if (const Json data = event["data"]) takeData(data);
  if (const Json end = event["end"]) takeEnd(end);
}

void ProcessStream::takeData(Json data) {
  constexpr std::array<std::pair<const char*, Channel>, 3> kChannels = {
      {{"stdout", Channel::standardOutput}, {"stderr", Channel::standardError}, {"pty", Channel::terminal}}};
  for (const auto& [name, channel] : kChannels) {
    const std::string_view text = data.textOr(name);
    if (text.empty()) continue;
    const auto bytes = vendor::base64Decode(text);
    if (!bytes) {
      throw plugin::Error(CSDK_UNAVAILABLE, std::string("the sandbox's daemon sent ") + name + " that is not base64")
          .errorClass(CSDK_ERROR_PROTOCOL);
    }
    if (!bytes->empty() && output_) output_(channel, *bytes);
  }
}

void ProcessStream::takeEnd(Json end) {
  const std::string_view status = end.textOr("status");
  Ended ended;
  ended.bySignal =
      !end.booleanOr("exited", false) && (status.starts_with("signal") || end.integerOr("exitCode", 0) < 0);
  ended.value = ended.bySignal ? signalNumber(status) : static_cast<int>(end.integerOr("exitCode", 0) & 0xff);
  ended_ = ended;
}

void ProcessStream::check() {
  if (ended_) return;
  if (!errorCode_.empty()) throw envd_.failure(errorCode_, errorMessage_).error();
  if (answer_.status != 0 && !answer_.ok()) throw envd_.failure(answer_).error();
  Failure failure;
  if (broken_) {
    failure = *broken_;
  } else {
    failure.is(CSDK_UNAVAILABLE, lastSeen_ ? CSDK_ERROR_PROTOCOL : CSDK_ERROR_NETWORK);
    failure.message = lastSeen_ ? "the sandbox's daemon ended the stream without saying how the command ended"
                                : "the connection to the sandbox ended while the command was running";
    failure.maybeApplied = true;
  }
  throw envd_.broken(std::move(failure)).error();
}

}  // namespace computesdk::e2b
