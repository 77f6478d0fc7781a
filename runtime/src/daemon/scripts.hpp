#pragma once

#include <string_view>

// Shell that runs in a sandbox: POSIX, for dash and busybox. Words that differ come as arguments or variables.
namespace computesdk::detail {

/// $1: hash of the program. Prints "running PORT TOKEN", else "machine M", "folder D" (its last line: the path is the
/// rest of it), and before that "program" when the program is there.
inline constexpr std::string_view kProbeScript = R"sh(umask 077
usable() {
  mkdir -p "$1" 2>/dev/null && [ -d "$1" ] && [ ! -L "$1" ] && [ -O "$1" ] && chmod 700 "$1" || return 1
  printf '#!/bin/sh\nexit 7\n' >"$1/try.$$" && chmod 700 "$1/try.$$" && "$1/try.$$" 2>/dev/null
  r=$?; rm -f "$1/try.$$"; [ $r = 7 ]
}
alive() {
  [ -r "/proc/$1/stat" ] || return 1
  read -r s <"/proc/$1/stat" 2>/dev/null || return 1
  s=${s##*) }; want=$2; set -- $s
  [ "$1" != Z ] && [ "${20}" = "$want" ]
}
u=$(id -u)
for d in "${HOME:-/nonexistent}/.cache/computesdk" "/tmp/.computesdk-$u" \
  "/var/tmp/.computesdk-$u" "$PWD/.computesdk"; do
  case $d in /nonexistent*|//*) continue ;; esac
  usable "$d" && break
  d=
done
if [ -z "$d" ]; then echo none; exit 0; fi
if [ -r "$d/run" ] && read -r pid start port token <"$d/run" && alive "$pid" "$start"; then
  echo "running $port $token"; exit 0
fi
rm -f "$d/run"
[ -f "$d/sandboxd-$1" ] && echo program
echo "machine $(uname -m)"
echo "folder $d"
)sh";

/// $1: folder, $2: hash, $3: name of a FIFO in the folder, the rest: the daemon's arguments. Tells through the FIFO
/// "other" when another daemon runs or is about to, "damaged" when the program is not the one wanted, "nosum" without
/// a tool for the hash; else it becomes the daemon, whose first line goes there.
inline constexpr std::string_view kLaunchScript = R"sh(umask 077
d=$1 h=$2 f=$d/$3; shift 3
exec 5>"$f" || exit 1
start() { read -r s <"/proc/$1/stat" 2>/dev/null || return 1; s=${s##*) }; set -- $s; [ "$1" != Z ] && echo "${20}"; }
mine=$d/claim.$$
echo "$$ $(start $$)" >"$mine"
claim() {
  ln "$mine" "$d/lock" 2>/dev/null && return 0
  read -r pid then <"$d/lock" 2>/dev/null && [ "$(start "$pid")" = "$then" ] && return 1
  mv "$d/lock" "$mine.old" 2>/dev/null && read -r pid then <"$mine.old" && [ "$(start "$pid")" = "$then" ] &&
    ln "$mine.old" "$d/lock" 2>/dev/null
  rm -f "$mine.old"
  ln "$mine" "$d/lock" 2>/dev/null
}
if ! claim; then rm -f "$mine"; echo other >&5; exit 0; fi
rm -f "$mine"
p=$d/sandboxd-$h
sum=$(sha256sum "$p" 2>/dev/null || busybox sha256sum "$p" 2>/dev/null || shasum -a 256 "$p" 2>/dev/null)
if [ -z "$sum" ]; then
  sum=$(openssl dgst -sha256 -r "$p" 2>/dev/null)
  if [ -z "$sum" ]; then rm -f "$d/lock"; echo nosum >&5; exit 1; fi
fi
if [ "${sum%% *}" != "$h" ]; then rm -f "$p" "$d/lock"; echo damaged >&5; exit 1; fi
chmod 755 "$p"
exec "$p" "$@" </dev/null >&5 5>&- 2>"$d/log"
)sh";

/// $1: folder, $2: FIFO. Waits for what the launch script tells. Prints "running PORT TOKEN" and keeps it in the file
/// `run`, or "started other|damaged|nosum|failed", with the end of the daemon's log after that.
inline constexpr std::string_view kAwaitScript = R"sh(umask 077
d=$1 f=$d/$2
line=
read -r line <"$f"
rm -f "$f"
case $line in
other)
  i=0
  while [ $i -lt 200 ]; do
    if [ -r "$d/run" ] && read -r pid start port token <"$d/run"; then echo "running $port $token"; exit 0; fi
    sleep 0.05 2>/dev/null || sleep 1
    i=$((i + 1))
  done
  echo "started other"; exit 0 ;;
damaged|nosum) echo "started $line"; exit 0 ;;
esac
port=${line##*:}; port=${port%%[!0-9]*}
if [ -z "$port" ] || ! read -r pid start <"$d/lock"; then
  echo "started failed"; tail -c 2000 "$d/log" 2>/dev/null; exit 0
fi
echo "$pid $start $port $COMPUTESDK_ACCESS_TOKEN" >"$d/run.$$" && mv "$d/run.$$" "$d/run"
echo "running $port $COMPUTESDK_ACCESS_TOKEN"
)sh";

}  // namespace computesdk::detail
