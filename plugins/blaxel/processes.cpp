#include "blaxel/processes.hpp"

#include "blaxel/run.hpp"
#include "common/base64.hpp"
#include "common/results.hpp"
#include "common/text.hpp"
#include "common/time.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

namespace computesdk::blaxel {
namespace {

using plugin::Error;
using plugin::view;
using vendor::Answer;
using vendor::Json;
using vendor::JsonDocument;
using vendor::JsonValue;

/// A process that was started here is called PREFIX DIGITS -SECONDS -TAG: its time limit, or 0, and the tag in base64.
constexpr std::string_view kPrefix = "computesdk-bg-";
constexpr std::size_t kDigits = 16;
constexpr std::string_view kReplacement = "\xef\xbf\xbd";
constexpr std::int64_t kFirstPauseMs = 50, kLongestPauseMs = 1000;

struct NameParts {
  std::int64_t limitSeconds = 0;
  std::string tag;
};

NameParts partsOf(std::string_view name) {
  NameParts parts;
  if (!name.starts_with(kPrefix) || name.size() < kPrefix.size() + kDigits + 1) return parts;
  name.remove_prefix(kPrefix.size() + kDigits + 1);
  const std::size_t dash = name.find('-');
  std::from_chars(name.data(), name.data() + std::min(dash, name.size()), parts.limitSeconds);
  if (dash != std::string_view::npos) parts.tag = vendor::base64Decode(name.substr(dash + 1)).value_or("");
  return parts;
}

struct End {
  std::uint32_t kind = CSDK_EXIT_UNKNOWN;
  int value = 0;
};

/// Nothing: it runs.
std::optional<End> endOf(Json process) {
  const std::string_view status = process.textOr("status");
  if (status == "running") return {};
  const std::int64_t limit = partsOf(process.textOr("name")).limitSeconds;
  const auto started = vendor::parseHttpDate(process.textOr("startedAt"));
  const auto completed = vendor::parseHttpDate(process.textOr("completedAt"));
  // The dates have whole seconds.
  if (status == "killed" && limit > 0 && started && completed && *completed - *started >= limit * 1000) {
    return End{CSDK_EXIT_TIMEOUT, 0};
  }
  const std::int64_t code = process.integer("exitCode");
  if (code > 128 && code <= 192) return End{CSDK_EXIT_SIGNAL, static_cast<int>(code - 128)};
  if (code < 0 || code > 255) return End{};
  return End{CSDK_EXIT_CODE, static_cast<int>(code)};
}

JsonDocument ask(Box& box, csdk_str id) {
  const Answer answer = box.send(box.api().get("/process/" + vendor::pathSegment(view(id))), {404});
  if (answer.status == 404) {
    const vendor::Failure failure = box.failure(answer);
    if (failure.errorClass == CSDK_ERROR_GONE) throw failure.error();
    throw Error(CSDK_NOT_FOUND, "the sandbox has no process " + vendor::oneLine(view(id), 80));
  }
  return box.api().json(answer, "a process");
}

/// One stream of the kept output: hands on what is new.
class Tail {
 public:
  explicit Tail(std::uint32_t stream) : stream_(stream) {}

  /// How much of the whole output is not wanted; returns what is left to skip elsewhere.
  std::size_t skip(std::string_view text, std::size_t bytes) {
    seen_ = std::min(bytes, text.size());
    return bytes - seen_;
  }
  void take(const plugin::Call& call, std::string_view text, bool ended) {
    // A character whose end has not come yet may be shown as none.
    while (!ended && text.ends_with(kReplacement)) text.remove_suffix(kReplacement.size());
    if (text.size() <= seen_) return;
    const std::string_view fresh = text.substr(seen_);
    lossy_ = lossy_ || fresh.find(kReplacement) != std::string_view::npos;
    seen_ = text.size();
    call.write(stream_, plugin::bytes(fresh));
  }
  [[nodiscard]] bool lossy() const noexcept { return lossy_; }

 private:
  std::uint32_t stream_;
  std::size_t seen_ = 0;
  bool lossy_ = false;
};

void emitProcess(const plugin::Call& call, Json view, std::string_view command) {
  const std::string_view name = view.textOr("name"), pid = view.textOr("pid");
  const NameParts parts = partsOf(name);
  const auto end = endOf(view);
  csdk_process process{};
  process.id = plugin::str(name.empty() ? pid : name);
  process.command = plugin::str(command);
  process.tag = plugin::str(parts.tag);
  process.state = end ? CSDK_PROCESS_ENDED : CSDK_PROCESS_RUNNING;
  if (end) process.exit_kind = end->kind, process.exit_value = end->value;
  std::from_chars(pid.data(), pid.data() + pid.size(), process.pid);
  process.started_ms = vendor::parseHttpDate(view.textOr("startedAt")).value_or(0);
  call.emit(process);
}

/// Follows until the end. With `withOutput` what is beyond `offset` of the output (stdout counted first) is handed on.
void follow(Box& box, const csdk_process_args& args, bool withOutput, bool keptOnly) {
  const plugin::Call& call = box.session().call();
  Tail out(CSDK_STREAM_STDOUT), err(CSDK_STREAM_STDERR);
  bool first = true;
  for (std::int64_t pauseMs = kFirstPauseMs;; pauseMs = std::min(pauseMs * 3 / 2, kLongestPauseMs)) {
    const JsonDocument process = ask(box, args.process_id);
    const std::string_view stdoutText = process.root().textOr("stdout"), stderrText = process.root().textOr("stderr");
    const auto end = endOf(process.root());
    if (withOutput) {
      if (first) {
        const auto offset = args.offset < 0 ? SIZE_MAX : static_cast<std::size_t>(args.offset);
        err.skip(stderrText, out.skip(stdoutText, offset));
      }
      out.take(call, stdoutText, end.has_value() || keptOnly);
      err.take(call, stderrText, end.has_value() || keptOnly);
    }
    first = false;
    if (end || keptOnly) {
      const std::uint32_t flags = out.lossy() || err.lossy() ? CSDK_EXIT_LOSSY : 0;
      const End told = end.value_or(End{});
      call.exit(told.kind, told.value, flags);
      return;
    }
    // The whole output comes each time: where it is long it is asked for less often.
    const auto longMs = static_cast<std::int64_t>((stdoutText.size() + stderrText.size()) >> 12);
    box.session().pause(std::min(std::max(pauseMs, longMs), 4 * kLongestPauseMs));
  }
}

}  // namespace

void processStart(Box& box, const csdk_process_start_args& args) {
  std::string name = newName(kPrefix);
  const std::int64_t seconds = vendor::ceilSeconds(args.exec->timeout_ms);
  name += "-" + std::to_string(seconds);
  if (args.tag.size != 0) name += "-" + vendor::base64UrlEncode(view(args.tag));
  JsonValue body = processBody(box, *args.exec, name);
  if (seconds > 0) body.set("timeout", seconds);
  if ((args.flags & CSDK_PROCESS_STDIN) != 0) body.set("stdin", true);
  const Answer answer = box.send(box.api().post("/process", body));
  const JsonDocument made = box.api().json(answer, "start");
  emitProcess(box.session().call(), made.root(), made.root().textOr("command"));
}

void processList(Box& box) {
  const Answer answer = box.send(box.api().get("/process"));
  const JsonDocument list = box.api().json(answer, "list processes");
  for (const Json process : list.root().items()) {
    if (process.textOr("name").starts_with(kOwnPrefix)) continue;
    emitProcess(box.session().call(), process, process.textOr("command"));
  }
}

void processAttach(Box& box, const csdk_process_args& args) {
  follow(box, args, true, (args.flags & CSDK_PROCESS_KEPT_ONLY) != 0);
}

void processWait(Box& box, const csdk_process_args& args) { follow(box, args, false, false); }

void processWriteStdin(Box& box, const csdk_process_args& args) {
  const std::string path = "/process/" + vendor::pathSegment(view(args.process_id)) + "/stdin";
  std::string_view rest = plugin::text(args.input);
  const auto send = [&](const vendor::Request& request) {
    const Answer answer = box.send(request, {404, 409});
    if (answer.ok()) return;
    if (answer.status == 404) ask(box, args.process_id);
    throw Error(CSDK_FAILED_PRECONDITION, "the process is over, or its input is closed");
  };
  while (!rest.empty()) {
    constexpr std::size_t kPiece = std::size_t{1} << 20;
    vendor::Request request = box.api().request("POST", path);
    request.headers.emplace_back("Content-Type", "application/octet-stream");
    request.body = rest.substr(0, kPiece);
    send(request);
    rest.remove_prefix(std::min(kPiece, rest.size()));
  }
  if ((args.flags & CSDK_PROCESS_EOF) != 0) send(box.api().remove(path));
}

void processSignal(Box& box, const csdk_process_args& args) {
  const JsonDocument process = ask(box, args.process_id);
  if (endOf(process.root())) return;
  std::int64_t pid = 0;
  const std::string_view text = process.root().text("pid");
  std::from_chars(text.data(), text.data() + text.size(), pid);
  if (pid <= 1)
    throw Error(CSDK_UNAVAILABLE, "the sandbox says no number of the process").errorClass(CSDK_ERROR_PROTOCOL);
  signalProcess(box, pid, args.signal, (args.flags & CSDK_PROCESS_GROUP) != 0);
}

}  // namespace computesdk::blaxel
