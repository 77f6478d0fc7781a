#include "vercel/scripts.hpp"

#include "common/base64.hpp"
#include "vercel/stream.hpp"

#include <random>

namespace computesdk::vercel {
namespace {

using vendor::JsonValue;

constexpr std::size_t kOutMax = std::size_t{16} << 20;
constexpr std::size_t kErrMax = std::size_t{4} << 10;
constexpr std::int64_t kScriptTimeMs = 30000;

/// Arguments: signal, mark, "now" or "patiently". SIGKILL is repeated until nothing is left: what runs may fork.
constexpr std::string_view kSignal = R"sh(
said=none
i=0
while [ $i -lt 100 ]; do
  i=$((i + 1))
  found=
  for f in $(grep -lsF -e "$2" /proc/[0-9]*/environ 2>/dev/null); do
    f=${f#/proc/}
    found="$found ${f%/environ}"
  done
  if [ ! "$found" ]; then
    [ "$said$3" = nonepatiently ] || break
    sleep 0.02
    continue
  fi
  said=done
  kill "-$1" $found 2>/dev/null
  [ "$1" = 9 ] || break
done
echo $said
)sh";

/// Arguments: key, base64.
constexpr std::string_view kPour = R"sh(
d=/tmp/.computesdk-$(id -u)-$1
i=0
while [ ! -p "$d/in" ] && [ ! -e "$d/code" ] && [ $i -lt 100 ]; do
  sleep 0.02
  i=$((i + 1))
done
[ -p "$d/in" ] || exit 46
printf %s "$2" | base64 -d >"$d/in"
)sh";

/// Argument: key. The input ends when nobody holds it open for writing any more.
constexpr std::string_view kClose = R"sh(
d=/tmp/.computesdk-$(id -u)-$1
i=0
while [ ! -s "$d/hold" ] && [ ! -e "$d/code" ] && [ $i -lt 100 ]; do
  sleep 0.02
  i=$((i + 1))
done
[ -s "$d/hold" ] || exit 46
kill "$(cat "$d/hold")" 2>/dev/null
:
)sh";

JsonValue scriptBody(std::string_view script, const std::vector<std::string>& args) {
  std::vector<std::string> argv = {"sh", "-c", std::string(script), "sh"};
  argv.insert(argv.end(), args.begin(), args.end());
  return commandBody(argv);
}

}  // namespace

const std::string_view kWithInput = R"sh(
d=/tmp/.computesdk-$(id -u)-$1
shift
exec 3>&2 2>/dev/null
mkdir -m 700 -- "$d" && mkfifo -m 600 -- "$d/in" || exit 125
sleep 1000000000 <>"$d/in" >/dev/null 3>&- &
echo $! >"$d/hold.new" && mv "$d/hold.new" "$d/hold"
"$@" <"$d/in" 2>&3 3>&-
code=$?
kill "$(cat "$d/hold")"
rm -rf -- "$d"
exit $code
)sh";

const std::string_view kWithWords = R"sh(
count=$1
shift
{
  for word do
    [ "$count" -gt 0 ] || break
    count=$((count - 1))
    printf %s "$word" | base64 -d
  done
} | {
  shift "$count"
  exec "$@"
}
)sh";

const std::string_view kKeeper = R"sh(
d=/tmp/.computesdk-$(id -u)-$1
mark=COMPUTESDK_COMMAND=$1 limit=$2 input=$3
mkdir -m 700 -- "$d" || exit 125
printf %s "$4" >"$d/tag"
printf %s "$5" >"$d/text"
shift 5
: >"$d/out" >"$d/err"
echo $$ >"$d/pid"
begun=$(date +%s)
echo "$begun" >"$d/begun"
if [ "$input" = 1 ]; then
  mkfifo -m 600 -- "$d/in" || exit 125
  sleep 1000000000 <>"$d/in" >/dev/null 2>&1 &
  echo $! >"$d/hold.new" && mv "$d/hold.new" "$d/hold"
  in=$d/in
else
  in=/dev/null
fi
echo ready
if [ "$limit" = 0 ]; then
  env "$mark" "$@" <"$in" >"$d/out" 2>"$d/err"
else
  env "$mark" timeout -s KILL "$limit" "$@" <"$in" >"$d/out" 2>"$d/err"
fi 2>/dev/null
code=$?
[ "$input" = 1 ] && kill "$(cat "$d/hold")" 2>/dev/null
word=$code
[ "$limit" != 0 ] && [ "$code" = 137 ] && [ $(($(date +%s) - begun + 1)) -ge "${limit%.*}" ] && word=timeout
echo "$word" >"$d/code.new" && mv "$d/code.new" "$d/code"
exit "$code"
)sh";

const std::string_view kOutcome = R"sh(
d=/tmp/.computesdk-$(id -u)-$1
[ -s "$d/pid" ] || { echo none; exit; }
pid=$(cat "$d/pid")
i=0
while [ ! -e "$d/code" ] && kill -0 "$pid" 2>/dev/null; do
  [ "$2" = wait ] && [ $i -lt 200 ] || { echo running; exit; }
  sleep 0.05
  i=$((i + 1))
done
if [ -e "$d/code" ]; then
  cat "$d/code"
else
  echo killed
fi
)sh";

const std::string_view kListKept = R"sh(
for d in /tmp/.computesdk-$(id -u)-*/; do
  d=${d%/}
  [ -s "$d/begun" ] && [ -e "$d/text" ] || continue
  pid=$(cat "$d/pid")
  state=ended
  [ ! -e "$d/code" ] && kill -0 "$pid" 2>/dev/null && state=running
  printf '%s\0%s\0%s\0%s\0' "${d##*-}" "$state" "$pid" "$(cat "$d/begun")"
  cat "$d/tag"
  printf '\0'
  cat "$d/text"
  printf '\0'
done
)sh";

std::string newKey() {
  std::random_device random;
  char key[33];
  const int size = std::snprintf(key, sizeof key, "%08x%08x%08x%08x", random(), random(), random(), random());
  return {key, static_cast<std::size_t>(size)};
}

std::vector<std::string> commandArgv(const csdk_exec_args& args) {
  if (args.argv.count == 0) return {"sh", "-c", std::string(plugin::view(args.command))};
  std::vector<std::string> argv = {"sh", "-c", "exec \"$@\"", "sh"};
  for (const csdk_str& word : plugin::view(args.argv)) argv.emplace_back(plugin::view(word));
  return argv;
}

std::string commandText(const csdk_exec_args& args) {
  std::string text(plugin::view(args.command));
  for (const csdk_str& word : plugin::view(args.argv)) {
    if (!text.empty()) text += ' ';
    text += plugin::view(word);
  }
  return text;
}

ScriptResult runScript(Machine& machine, std::string_view script, const std::vector<std::string>& args) {
  JsonValue body = scriptBody(script, args);
  body.set("cwd", "/").set("timeout", kScriptTimeMs);
  ScriptResult result;
  CommandStream stream(machine, body, [&result](bool error, std::string_view text) {
    std::string& into = error ? result.err : result.out;
    if (into.size() < (error ? kErrMax : kOutMax)) into += text;
  });
  machine.session().until([&] { return stream.over(); });
  stream.check();
  result.code = *stream.exitCode();
  return result;
}

bool signalCommand(Machine& machine, std::string_view key, int signal, bool patiently) {
  const std::string mark = std::string(kMark) + "=" + std::string(key);
  return runScript(machine, kSignal, {std::to_string(signal), mark, patiently ? "patiently" : "now"}).out != "none\n";
}

JsonValue pourBody(std::string_view key, std::string_view bytes) {
  JsonValue body = scriptBody(kPour, {std::string(key), vendor::base64Encode(bytes)});
  return body.set("cwd", "/");
}

JsonValue closeBody(std::string_view key) {
  JsonValue body = scriptBody(kClose, {std::string(key)});
  return body.set("cwd", "/");
}

}  // namespace computesdk::vercel
