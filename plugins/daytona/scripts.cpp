#include "daytona/scripts.hpp"

#include "common/shell.hpp"
#include "common/text.hpp"

namespace computesdk::daytona {
namespace {

using vendor::Answer;
using vendor::JsonDocument;
using vendor::JsonValue;

}  // namespace

// dd reads once, as much as is there: so output goes on when it comes. A program's number is looked for no further than
// its environment, which what it starts inherits; the runner's own helpers have another mark.
const std::string_view kRunner = R"sh(
word=$1 line=$2 input=$3 data=$4 limit=$5
for tool in dd base64; do
  command -v $tool >/dev/null || { echo ".lacks $tool"; echo . >&2; exit 125; }
done
shell=sh
if command -v bash >/dev/null; then shell=bash; fi
begun=0 feeder= d=
if [ "$limit" != 0 ]; then begun=$(date +%s); fi
pack() { while c=$(dd bs=49152 count=1 2>/dev/null | base64) && [ -n "$c" ]; do printf '%s\n' "$c"; done; }
unpack() { while IFS= read -r l && [ "$l" != . ]; do printf %s "$l" | base64 -d || exit; done; }
launch() {
  if [ "$limit" = 0 ]; then
    COMPUTESDK_EXEC=exec-$word $shell -c "$line"
  else
    COMPUTESDK_EXEC=exec-$word timeout -s KILL "$limit" $shell -c "$line"
  fi
}
if [ "$input" = lines ]; then
  d=$(mktemp -d) && mkfifo "$d/in" || { echo ".lacks room in /tmp"; echo . >&2; exit 125; }
  exec 7<&0
  unpack <&7 >"$d/in" 2>/dev/null &
  feeder=$!
  exec 7<&-
fi
run() {
  case $input in
    none) launch </dev/null ;;
    data) printf %s "$data" | base64 -d | launch ;;
    lines) launch <"$d/in" ;;
  esac
}
exec 3>&1 4>&2
code=$(
  exec 5>&1
  {
    { run 2>&6 3>&- 4>&- 5>&- 6>&-; echo "$?" >&5; } | pack >&3 5>&- 6>&-
  } 6>&1 | pack >&4 5>&-
)
said=$code
if [ "$limit" != 0 ] && [ "$code" = 137 ] && [ $(($(date +%s) - begun + 1)) -ge "${limit%.*}" ]; then said=timeout; fi
if [ -n "$feeder" ]; then
  { kill "$feeder"; wait "$feeder"; rm -rf "$d"; } 2>/dev/null
fi
echo . >&2
echo ".exit $said"
exit "$code"
)sh";

const std::string_view kGate = R"sh(
d=/tmp/.computesdk-$1
mkdir -m 700 "$d" && mkfifo "$d/go" || exit 125
(
  sleep 3
  [ -p "$d/go" ] && echo >"$d/go"
) >/dev/null 2>&1 </dev/null &
printf '%s-%s\n' computesdk ready
read -r _ <>"$d/go"
rm -f "$d/go"
trap : HUP INT QUIT TERM
shell=sh
if command -v bash >/dev/null; then shell=bash; fi
COMPUTESDK_EXEC=exec-$1 $shell -c "$2"
code=$?
echo "$code" >"$d/code.new" && mv "$d/code.new" "$d/code"
exit "$code"
)sh";

const std::string_view kOpenGate = R"sh(
d=/tmp/.computesdk-$1
if [ -p "$d/go" ]; then timeout 1 sh -c 'echo >"$1"' sh "$d/go"; fi
:
)sh";

const std::string_view kTerminalOutcome = R"sh(
d=/tmp/.computesdk-$1
i=0
while [ ! -e "$d/code" ] && grep -qs -e "=exec-$1" -e "=run-$1" /proc/[0-9]*/environ; do
  [ "$2" = wait ] && [ $i -lt 200 ] || { echo running; exit; }
  sleep 0.05
  i=$((i + 1))
done
if [ -e "$d/code" ]; then
  cat "$d/code"
elif [ -d "$d" ]; then
  echo 137
else
  echo none
fi
)sh";

const std::string_view kSignal = R"sh(
word=$1 sig=$2 which=$3
look() {
  if [ "$which" = all ]; then
    found=$(grep -ls -e "=exec-$word" -e "=run-$word" /proc/[0-9]*/environ)
  else
    found=$(grep -ls -e "=exec-$word" /proc/[0-9]*/environ)
  fi
  all=" "
  for f in $found; do
    p=${f#/proc/}
    all="$all${p%/environ} "
  done
}
look
i=0
while [ "$which" != all ] && [ "$all" = " " ] && [ $i -lt 50 ] && grep -qs -e "=run-$word" /proc/[0-9]*/environ; do
  sleep 0.02
  i=$((i + 1))
  look
done
[ "$all" != " " ] || { echo none; exit; }
if [ "$which" = one ]; then
  for p in $all; do
    read -r s <"/proc/$p/stat" || continue
    s=${s##*) }
    s=${s#* }
    case $all in
      *" ${s%% *} "*) ;;
      *) kill "-$sig" "$p"; break ;;
    esac
  done
else
  i=0
  while [ "$all" != " " ] && [ $i -lt 20 ]; do
    for p in $all; do kill "-$sig" "$p"; done
    [ "$sig" = 9 ] || break
    i=$((i + 1))
    look
  done
fi 2>/dev/null
echo done
)sh";

std::string scriptLine(std::string_view script, const std::vector<std::string>& args, std::string_view mark) {
  std::string line;
  if (!mark.empty()) line = "COMPUTESDK_RUN=run-" + std::string(mark) + " ";
  line += "sh -c " + vendor::shellQuote(script) + " sh";
  for (const std::string& arg : args) line += " " + vendor::shellQuote(arg);
  return line;
}

std::string runScript(Toolbox& toolbox, std::string_view script, const std::vector<std::string>& args,
                      std::int64_t timeoutSeconds) {
  JsonValue body = JsonValue::object();
  body.set("command", scriptLine(script, args)).set("timeout", timeoutSeconds);
  const Answer answer = toolbox.send(toolbox.post("/process/execute", body));
  const JsonDocument done = toolbox.json(answer, "a script");
  std::string said(done.root().textOr("result"));
  while (said.ends_with('\n')) said.pop_back();
  return said;
}

void killQuietly(Toolbox& toolbox, std::string_view word, std::string_view session) {
  try {
    runScript(toolbox, kSignal, {std::string(word), "9", "all"}, 3);
    toolbox.send(toolbox.request("DELETE", "/process/session/" + std::string(session)), {404});
  } catch (const plugin::Error& error) {
    const bool sandboxThere =
        error.abi().error_class != CSDK_ERROR_GONE && error.abi().error_class != CSDK_ERROR_STOPPED;
    if (!sandboxThere) return;
    toolbox.session().call().log(CSDK_LOG_WARN,
                                 std::string("a command that was given up may still run: ") + error.what());
  }
}

}  // namespace computesdk::daytona
