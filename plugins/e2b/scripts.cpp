#include "e2b/scripts.hpp"

#include "common/scripts.hpp"
#include "e2b/stream.hpp"

#include <computesdk/provider/views.hpp>

namespace computesdk::e2b {
namespace {

using vendor::JsonValue;

constexpr std::size_t kScriptOutputMax = std::size_t{64} << 10;
constexpr std::int64_t kScriptTimeMs = 20000;

}  // namespace

const std::string_view kKeeper = R"sh(
d=/tmp/.computesdk-$(id -u)-$$
limit=$1
shift
rm -rf -- "$d"
mkdir -m 700 -- "$d" || exit 125
: >"$d/out" >"$d/err"
begun=$(date +%s)
echo ready
if [ "$limit" = 0 ]; then
  "$@" >"$d/out" 2>"$d/err"
else
  timeout -s KILL "$limit" "$@" >"$d/out" 2>"$d/err"
fi
code=$?
word=$code
[ "$limit" != 0 ] && [ "$code" = 137 ] && [ $(($(date +%s) - begun + 1)) -ge "${limit%.*}" ] && word=timeout
echo "$word" >"$d/code.new" && mv "$d/code.new" "$d/code"
exit "$code"
)sh";

const std::string_view kGate = R"sh(
d=/tmp/.computesdk-$(id -u)-$$
rm -rf -- "$d"
mkdir -m 700 -- "$d" && mkfifo "$d/go" || exit 125
echo ready
read -t 3 -r _ <>"$d/go"
rm -f "$d/go"
trap : HUP INT QUIT TERM
"$@"
code=$?
echo "$code" >"$d/code.new" && mv "$d/code.new" "$d/code"
exit "$code"
)sh";

const std::string_view kOpenGate = R"sh(
d=/tmp/.computesdk-$(id -u)-$1
[ -p "$d/go" ] && timeout 1 sh -c 'echo >"$1"' sh "$d/go"
:
)sh";

const std::string_view kOutcome = R"sh(
d=/tmp/.computesdk-$(id -u)-$1
i=0
while [ ! -e "$d/code" ] && kill -0 "$1" 2>/dev/null; do
  [ "$2" = wait ] && [ $i -lt 200 ] || { echo running; exit; }
  sleep 0.05
  i=$((i + 1))
done
i=0
while kill -0 "$1" 2>/dev/null && [ $i -lt 50 ]; do
  sleep 0.02
  i=$((i + 1))
done
if [ -e "$d/code" ]; then
  cat "$d/code"
elif [ -d "$d" ]; then
  echo killed
else
  echo none
fi
)sh";

JsonValue startMessage(std::string_view program, const std::vector<std::string>& args) {
  JsonValue list = JsonValue::array();
  for (const std::string& arg : args) list.push(arg);
  JsonValue process = JsonValue::object();
  process.set("cmd", program).set("args", std::move(list));
  JsonValue message = JsonValue::object();
  message.set("process", std::move(process)).set("stdin", false);
  return message;
}

std::vector<std::string> commandArgv(const csdk_exec_args& args) {
  if (args.argv.count == 0) return {"/bin/bash", "-l", "-c", std::string(plugin::view(args.command))};
  std::vector<std::string> argv = {"/bin/bash", "-l", "-c", "exec \"$@\"", "bash"};
  for (const csdk_str& word : plugin::view(args.argv)) argv.emplace_back(plugin::view(word));
  return argv;
}

std::string commandText(const std::vector<std::string>& argv) {
  if (argv.size() == 4 && argv[1] == "-l" && argv[2] == "-c") return argv[3];
  const bool wrapped = argv.size() > 5 && argv[2] == "-c" && argv[3] == "exec \"$@\"";
  std::string text;
  for (std::size_t i = wrapped ? 5 : 0; i < argv.size(); ++i) {
    if (!text.empty()) text += ' ';
    text += argv[i];
  }
  return text;
}

std::string runScript(Envd& envd, std::string_view script, const std::vector<std::string>& args) {
  std::vector<std::string> argv = {"-c", std::string(script), "sh"};
  argv.insert(argv.end(), args.begin(), args.end());
  std::string out;
  const auto take = [&out](ProcessStream::Channel channel, std::string_view bytes) {
    if (channel == ProcessStream::Channel::standardOutput && out.size() < kScriptOutputMax) out += bytes;
  };
  ProcessStream stream(envd, envd.streamRequest("process.Process/Start", startMessage("/bin/sh", argv), kScriptTimeMs),
                       take);
  envd.session().until([&] { return stream.over(); });
  stream.check();
  while (out.ends_with('\n')) out.pop_back();
  return out;
}

bool signalTree(Envd& envd, std::int64_t pid, int signal, bool below) {
  const std::string said =
      runScript(envd, vendor::kSignalTree, {std::to_string(signal), std::to_string(pid), below ? "below" : "self"});
  return said != "none";
}

}  // namespace computesdk::e2b
