#include "common/scripts.hpp"

namespace computesdk::vendor {

// Descendants are found by their parents in /proc. For SIGKILL everything is stopped first, until nothing new shows up:
// what does not run cannot fork. A process that was killed is there for a moment still, so that is waited for.
const std::string_view kSignalTree = R"sh(
sig=$1 root=$2 which=$3
[ -d "/proc/$root" ] || { echo none; exit; }
look() {
  table=$(for s in /proc/[0-9]*/stat; do
    read -r l <"$s" && r=${l##*\) } && r=${r#* } && echo "${l%% *} ${r%% *}"
  done 2>/dev/null)
  found=
  more=1
  while [ "$more" ]; do
    more=
    while read -r p q; do
      case "$all" in
        *" $p "*) ;;
        *" $q "*) all="$all$p " found=1 more=1 ;;
      esac
    done <<END
$table
END
  done
}
all=" $root "
[ "$sig$which" = 9self ] && kill -STOP "$root" 2>/dev/null
look
i=0
while [ "$which" = below ] && [ ! "$found" ] && [ $i -lt 200 ] && kill -0 "$root" 2>/dev/null; do
  sleep 0.02
  i=$((i + 1))
  look
done
while [ "$sig" = 9 ] && [ "$found" ]; do
  for p in $all; do [ "$p" = "$root" ] || kill -STOP "$p"; done 2>/dev/null
  look
done
[ "$which" = below ] && all=${all#" $root"}
for p in $all; do kill "-$sig" "$p"; done 2>/dev/null
i=0
while [ "$sig" = 9 ] && [ $i -lt 100 ]; do
  left=
  for p in $all; do
    read -r l <"/proc/$p/stat" || continue
    case "${l##*\) }" in [ZX]*) ;; *) left=1 ;; esac
  done 2>/dev/null
  [ "$left" ] || break
  sleep 0.02
  i=$((i + 1))
done
echo done
)sh";

const std::string_view kFollowKept = R"sh(
d=/tmp/.computesdk-$(id -u)-$1
[ -e "$d/out" ] && [ -e "$d/err" ] || exit 0
out=$(wc -c <"$d/out") err=$(wc -c <"$d/err")
if [ "$2" -lt 0 ]; then
  skip=$out skiperr=$err
else
  skip=$2 skiperr=0
  [ "$skip" -gt "$out" ] && skiperr=$((skip - out)) skip=$out
fi
if [ "$3" = follow ]; then
  pid=$1
  [ -e "$d/pid" ] && pid=$(cat "$d/pid")
  tail -c "+$((skiperr + 1))" -s 0.05 --pid="$pid" -f "$d/err" >&2 &
  tail -c "+$((skip + 1))" -s 0.05 --pid="$pid" -f "$d/out"
  wait
else
  tail -c "+$((skip + 1))" "$d/out"
  tail -c "+$((skiperr + 1))" "$d/err" >&2
fi
)sh";

}  // namespace computesdk::vendor
