#include "gateway/run.hpp"

#include "common/base64.hpp"
#include "common/results.hpp"
#include "common/shell.hpp"
#include "common/text.hpp"
#include "common/upload.hpp"

namespace computesdk::gateway {
namespace {

using plugin::view;
using vendor::Answer;
using vendor::JsonDocument;
using vendor::JsonValue;

constexpr std::size_t kMaxInput = std::size_t{8} << 20;
constexpr std::size_t kMaxAnswer = std::size_t{192} << 20;

/// All of a command's input; the daemon takes none while it runs.
std::string inputOf(vendor::Session& session, const csdk_exec_args& args) {
  std::string all(reinterpret_cast<const char*>(args.input.data), args.input.size);
  if (args.source == nullptr) return all;
  vendor::InputPump pump(session, plugin::Input(args));
  std::string piece;
  while (!pump.ended()) {
    session.until([&] {
      while (pump.next(piece)) {
        all += piece;
        if (all.size() > kMaxInput) break;
      }
      return pump.ended() || all.size() > kMaxInput;
    });
    if (all.size() > kMaxInput) {
      throw plugin::Error(CSDK_OUT_OF_RANGE, "a gateway takes at most 8 MiB of input for a command")
          .fix("upload it as a file and read that");
    }
  }
  return all;
}

std::string commandLine(vendor::Session& session, const csdk_exec_args& args) {
  std::string line = vendor::shellLine(args);
  const std::string input = inputOf(session, args);
  if (input.empty()) return line;
  // In the shell's own text, as no other road leads into a command.
  return "{ base64 -d <<'CSDK_INPUT'\n" + vendor::base64Encode(input) + "\nCSDK_INPUT\n} | { " + line + "\n}";
}

void give(const plugin::Call& call, std::uint32_t stream, std::string_view text) {
  if (!text.empty()) call.write(stream, {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
}

/// Destroys the terminal, whatever happens.
class Terminal {
 public:
  Terminal(vendor::Session& session, const vendor::Api& daemon) : session_(session), daemon_(daemon) {
    JsonValue body = JsonValue::object();
    body.set("pty", false);
    const JsonDocument made = daemon.json(daemon.send(session, daemon.post("/terminals", body)), "create a terminal");
    path_ = "/terminals/" + vendor::pathSegment(made["data"].text("id"));
  }
  ~Terminal() {
    try {
      if (!ended_) session_.beginCleanup();
      daemon_.send(session_, daemon_.remove(path_), {404});
    } catch (...) {  // it ends with the sandbox
    }
  }
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  /// Nothing when the time ran out.
  std::optional<Answer> execute(const std::string& line, std::int64_t deadlineNs) {
    JsonValue body = JsonValue::object();
    body.set("command", line);
    vendor::Request request = daemon_.post(path_ + "/execute", body);
    request.headTimeoutMs = request.idleTimeoutMs = std::int64_t{24} * 3600 * 1000;
    Answer answer;
    vendor::Handlers handlers;
    handlers.head = [&](const Answer& head) { answer = head; };
    handlers.data = [&](std::string_view bytes) {
      if (answer.body.size() + bytes.size() > kMaxAnswer) {
        throw plugin::Error(CSDK_OUT_OF_RANGE, "the command's output is too large for a gateway's answer");
      }
      answer.body += bytes;
    };
    handlers.end = [&] { ended_ = true; };
    const std::uint64_t number = session_.start(request, std::move(handlers));
    try {
      session_.until([&] { return ended_; }, deadlineNs);
    } catch (const plugin::Error& error) {
      if (deadlineNs == 0 || error.status() != CSDK_DEADLINE_EXCEEDED) throw;
      session_.close(number);
      return std::nullopt;
    }
    return answer;
  }

 private:
  vendor::Session& session_;
  const vendor::Api& daemon_;
  std::string path_;
  bool ended_ = false;
};

}  // namespace

void runCommand(vendor::Session& session, const vendor::Api& daemon, const csdk_exec_args& args) {
  const plugin::Call& call = session.call();
  const std::string line = commandLine(session, args);
  const plugin::Host& host = call.host();
  const std::int64_t deadline =
      args.timeout_ms > 0 ? host.table().now_mono_ns(host.self()) + args.timeout_ms * 1'000'000 : 0;
  Terminal terminal(session, daemon);
  const std::optional<Answer> answer = terminal.execute(line, deadline);
  if (!answer) return call.exit(CSDK_EXIT_TIMEOUT, 0, 0);
  if (!answer->ok()) throw daemon.failure(session, *answer, true).error();
  const JsonDocument ended = daemon.json(*answer, "run a command");
  const vendor::Json data = ended["data"];
  const std::string_view out = data.textOr("stdout");
  const std::string_view err = data.textOr("stderr");
  give(call, CSDK_STREAM_STDOUT, out);
  give(call, CSDK_STREAM_STDERR, err);
  // Bytes that are no UTF-8 were replaced on the way.
  constexpr std::string_view kReplacement = "\xEF\xBF\xBD";
  const bool lossy =
      out.find(kReplacement) != std::string_view::npos || err.find(kReplacement) != std::string_view::npos;
  vendor::emitExitCode(call, data.integerOr("exit_code", -1), lossy ? CSDK_EXIT_LOSSY : 0);
}

}  // namespace computesdk::gateway
