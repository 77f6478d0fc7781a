#include "daytona/spool.hpp"

#include "common/base64.hpp"
#include "common/results.hpp"
#include "common/shell.hpp"
#include "common/text.hpp"
#include "daytona/scripts.hpp"

#include <array>
#include <charconv>
#include <optional>
#include <utility>

namespace computesdk::daytona {
namespace {

using plugin::Error;
using vendor::Answer;
using vendor::Failure;
using vendor::JsonDocument;
using vendor::JsonValue;

/// What an argument may be long (128 KiB), with room for what quoting and the daemon add.
constexpr std::size_t kLongestLine = std::size_t{96} << 10;
/// Longer than any answer takes, so that only a hung one ends by it.
constexpr int kAnswerSeconds = 60;
constexpr std::string_view kLacks = ".lacks";

// Of every script here: `index` says in order which stream wrote how much ("1 N", "2 N"; at the end ". CODE"), `out`
// and `err` hold it as base64, and a byte in the pipe `bell` follows each of these lines. An answer is lines of the
// index from a place on, an empty one, and what they stand for. A command that is over with the first answer leaves
// nothing.
constexpr std::string_view kAnswer = R"sh(
ring() { timeout "$1" dd bs=4096 count=1 <&8 >/dev/null 2>&1; }
more() { [ "$(wc -c <"$d/index")" -gt "$i" ]; }
ended() { case $(tail -n 1 "$d/index") in .*) ;; *) false ;; esac }
answer() {
  j=3
  while ! more && [ "$j" -gt 0 ] && ring 25; do j=$((j - 1)); done
  j=$linger
  while [ "$j" -gt 0 ] && ! ended && ring 0.05; do j=$((j - 1)); done
  tail -c "+$((i + 1))" "$d/index" | {
    n=0 m=0 last=
    while [ $((n + m)) -lt 1000000 ] && read -r s b; do
      echo "$s $b"
      case $s in
        1) n=$((n + b)) ;;
        2) m=$((m + b)) ;;
        .) last=1 ;;
      esac
    done
    echo
    [ "$n" = 0 ] || tail -c "+$((o + 1))" "$d/out" | head -c "$n"
    [ "$m" = 0 ] || tail -c "+$((e + 1))" "$d/err" | head -c "$m"
    [ -z "$last" ] || [ "$linger" = 0 ] || rm -rf "$d"
    echo .
  }
}
)sh";

// dd reads once, as much as is there: so output goes on when it comes. Nobody's output may be the daemon's pipe but the
// answer's, or the call would last as long as the command. Arguments: WORD LINE HASDATA DATA.
constexpr std::string_view kStart = R"sh(
word=$1 line=$2
for tool in dd base64 mkfifo timeout; do
  command -v $tool >/dev/null || { echo .lacks; exit; }
done
d=/tmp/.computesdk-run-$word i=0 o=0 e=0 linger=4
mkdir -m 700 "$d" && mkfifo "$d/bell" && : >"$d/index" || { echo .lacks; exit; }
exec 8<>"$d/bell"
shell=sh
if command -v bash >/dev/null; then shell=bash; fi
pack() {
  while c=$(dd bs=49152 count=1 2>/dev/null | base64) && [ -n "$c" ]; do
    printf '%s\n' "$c" >>"$d/$2"
    echo "$1 $((${#c} + 1))" >>"$d/index"
    echo >&8
  done
}
launch() { COMPUTESDK_EXEC=exec-$word $shell -c "$line" 8>&-; }
if [ "$3" = 1 ]; then
  run() { printf %s "$data" | base64 -d | launch; }
else
  run() { launch </dev/null; }
fi
data=$4
{
  {
    { run 2>&6 6>&-; echo "$?" >"$d/code"; } | pack 1 out >/dev/null 6>&-
  } 6>&1 | pack 2 err
  read -r code <"$d/code"
  echo ". $code" >>"$d/index"
  echo >&8
} </dev/null >/dev/null 2>&1 &
answer
)sh";

// Arguments: WORD and how much of the index, of out and of err was taken.
constexpr std::string_view kFollow = R"sh(
d=/tmp/.computesdk-run-$1 i=$2 o=$3 e=$4 linger=0
[ -d "$d" ] || { echo ".lost "; exit; }
exec 8<>"$d/bell"
answer
)sh";

constexpr std::string_view kForget = R"sh(rm -rf "/tmp/.computesdk-run-$1")sh";

/// How much of a command's output was taken.
struct Taken {
  std::size_t index = 0;
  std::array<std::size_t, 2> streams{};
  std::optional<int> code;
};

Error unreadable(std::string_view said) {
  return Error(CSDK_UNAVAILABLE, "the answer about a command's output is none: " + vendor::oneLine(said, 80))
      .errorClass(CSDK_ERROR_PROTOCOL)
      .maybeApplied();
}

/// One line off the front, without its end. Nothing: there is none.
std::optional<std::string_view> takeLine(std::string_view& text) {
  const std::size_t end = text.find('\n');
  if (end == std::string_view::npos) return {};
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(end + 1);
  return line;
}

std::size_t numberOf(std::string_view text, std::string_view said) {
  std::size_t number = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failed != std::errc() || end != text.data() + text.size()) throw unreadable(said);
  return number;
}

class Spooled {
 public:
  Spooled(Toolbox& toolbox, const std::string& word, std::int64_t endNs)
      : toolbox_(toolbox), word_(word), endNs_(endNs) {}

  /// False: the sandbox lacks what this needs, and nothing was started.
  bool start(const std::string& line, std::string_view input) {
    const std::string data = input.empty() ? std::string() : vendor::base64Encode(input);
    const Said said = ask(kStart, {word_, line, input.empty() ? "0" : "1", data}, vendor::Retry::notSent);
    const bool noShell = said.exitCode == 126 || said.exitCode == 127;
    if (noShell || said.text.starts_with(kLacks)) return false;
    take(said.text);
    return true;
  }
  void follow() {
    const std::vector<std::string> args = {word_, std::to_string(taken_.index), std::to_string(taken_.streams[0]),
                                           std::to_string(taken_.streams[1])};
    followed_ = true;
    take(ask(kFollow, args, vendor::Retry::idempotent).text);
  }
  [[nodiscard]] const std::optional<int>& code() const noexcept { return taken_.code; }
  /// Whether the command's folder is still there.
  [[nodiscard]] bool kept() const noexcept { return followed_; }

 private:
  struct Said {
    std::string text;
    std::int64_t exitCode = 0;
  };
  Said ask(std::string_view script, const std::vector<std::string>& args, vendor::Retry retry);
  void take(std::string_view said);
  void write(std::size_t stream, std::string_view lines);

  Toolbox& toolbox_;
  const std::string& word_;
  const std::int64_t endNs_;
  Taken taken_;
  bool followed_ = false;
};

std::string commandLine(std::string_view script, const std::vector<std::string>& args, const std::string& word) {
  std::string whole(kAnswer);
  whole += script;
  // env, for the daemons that start programs without a shell.
  return "env COMPUTESDK_RUN=run-" + word + " " + scriptLine(whole, args);
}

Spooled::Said Spooled::ask(std::string_view script, const std::vector<std::string>& args, vendor::Retry retry) {
  vendor::Session& session = toolbox_.session();
  JsonValue body = JsonValue::object();
  body.set("command", commandLine(script, args, word_)).set("timeout", kAnswerSeconds);
  vendor::Request request = toolbox_.post("/process/execute", body);
  request.retry = retry;
  Answer answer;
  std::optional<Failure> broken;
  bool over = false;
  vendor::Handlers handlers;
  handlers.head = [&](const Answer& head) { answer = head; };
  handlers.data = [&](std::string_view bytes) {
    if (answer.body.size() + bytes.size() > vendor::kJsonMaxBytes) throw unreadable("too long");
    answer.body += bytes;
  };
  handlers.end = [&] { over = true; };
  handlers.fail = [&](const Failure& failure) {
    broken = failure;
    over = true;
  };
  const std::uint64_t number = session.start(request, std::move(handlers));
  try {
    session.until([&] { return over; }, endNs_);
  } catch (...) {
    session.close(number);  // its handlers look at what ends here
    throw;
  }
  const bool changes = retry == vendor::Retry::notSent;
  if (broken) {
    const bool unclear = broken->maybeApplied || !changes;
    Failure told = toolbox_.broken(std::move(*broken));
    told.maybeApplied = unclear;
    throw told.error();
  }
  if (!answer.ok()) {
    Failure told = toolbox_.failure(answer, changes);
    told.maybeApplied = told.maybeApplied || !changes;
    throw told.error();
  }
  try {
    const JsonDocument done = toolbox_.json(answer, "execute");
    return {std::string(done.root().text("result")), done.root().integerOr("exitCode", 0)};
  } catch (Error& error) {
    throw error.maybeApplied();
  }
}

void Spooled::take(std::string_view said) {
  std::array<std::size_t, 2> sizes{};
  std::vector<std::pair<std::size_t, std::size_t>> pieces;
  for (;;) {
    const auto line = takeLine(said);
    if (!line) throw unreadable(said);
    if (line->empty()) break;
    if (line->size() < 3 || (*line)[1] != ' ') throw unreadable(*line);
    const std::size_t number = numberOf(line->substr(2), *line);
    taken_.index += line->size() + 1;
    if (line->front() == '.') {
      taken_.code = static_cast<int>(number);
    } else if (line->front() == '1' || line->front() == '2') {
      const std::size_t stream = line->front() == '2' ? 1 : 0;
      pieces.emplace_back(stream, number);
      sizes[stream] += number;
    } else {
      throw unreadable(*line);
    }
  }
  if (said.size() < sizes[0] || said.size() - sizes[0] < sizes[1]) throw unreadable("it is cut off");
  std::array<std::string_view, 2> data = {said.substr(0, sizes[0]), said.substr(sizes[0], sizes[1])};
  for (const auto& [stream, size] : pieces) {
    write(stream, data[stream].substr(0, size));
    data[stream].remove_prefix(size);
    taken_.streams[stream] += size;
  }
}

void Spooled::write(std::size_t stream, std::string_view lines) {
  std::string bytes;
  while (!lines.empty()) {
    const auto line = takeLine(lines);
    const auto decoded = vendor::base64Decode(line.value_or(lines));
    if (!decoded) throw unreadable("it is no base64");
    bytes += *decoded;
    if (!line) break;
  }
  toolbox_.session().call().write(stream == 1 ? CSDK_STREAM_STDERR : CSDK_STREAM_STDOUT,
                                  plugin::bytes(std::string_view(bytes)));
}

}  // namespace

bool canSpool(const csdk_exec_args& args, const std::string& line) {
  if (args.source != nullptr) return false;
  const std::size_t scripts = kAnswer.size() + kStart.size();
  const std::size_t quotes = vendor::shellQuote(line).size();
  return scripts + quotes + args.input.size / 3 * 4 < kLongestLine;
}

bool runSpooled(Toolbox& toolbox, const csdk_exec_args& args, const std::string& line, const std::string& word,
                std::int64_t endNs) {
  Spooled spooled(toolbox, word, endNs);
  if (!spooled.start(line, plugin::text(args.input))) return false;
  while (!spooled.code()) spooled.follow();
  const plugin::Call& call = toolbox.session().call();
  vendor::emitExitCode(call, *spooled.code());
  if (!spooled.kept()) return true;
  // The command is over, whatever becomes of what it left.
  try {
    runScript(toolbox, kForget, {word});
  } catch (const Error& error) {
    call.log(CSDK_LOG_DEBUG, std::string("a command's output was not removed: ") + error.what());
  }
  return true;
}

void killSpooled(Toolbox& toolbox, const std::string& word) {
  try {
    runScript(toolbox, kSignal, {word, "9", "all"}, 3);
    runScript(toolbox, kForget, {word}, 3);
  } catch (const Error& error) {
    const bool sandboxThere =
        error.abi().error_class != CSDK_ERROR_GONE && error.abi().error_class != CSDK_ERROR_STOPPED;
    if (!sandboxThere) return;
    toolbox.session().call().log(CSDK_LOG_WARN,
                                 std::string("a command that was given up may still run: ") + error.what());
  }
}

}  // namespace computesdk::daytona
