#!/usr/bin/env bash
# What the library costs its users to compile, without optimisation, on both compilers: the README's first program and the
# umbrella header, in processor seconds, the best of three. Fails when one is over its limit.
set -euo pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
runs=3
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

python3 "$root/scripts/check_docs.py" --first-program "$root/README.md" >"$work/first_program.cpp"
echo '#include <quiesce/quiesce.hpp>' >"$work/umbrella.cpp"

# seconds COMPILER SOURCE: the least user + system time of the runs
seconds() {
  local best="" run took
  local TIMEFORMAT='%U %S'
  for ((run = 0; run < runs; run++)); do
    { time "$1" -std=c++23 -O0 -I"$root/include" -c "$2" -o "$work/out.o" 2>"$work/errors"; } 2>"$work/time" || {
      cat "$work/errors" >&2
      return 1
    }
    took="$(awk '{ print $1 + $2 }' "$work/time")"
    best="$(awk -v a="${best:-$took}" -v b="$took" 'BEGIN { print a < b ? a : b }')"
  done
  echo "$best"
}

told=() over=0
check() { # NAME SOURCE LIMIT_S
  local compiler took
  for compiler in g++ clang++-19; do
    took="$(seconds "$compiler" "$work/$2")"
    told+=("$1 $compiler ${took} s (limit $3)")
    echo "$1, $compiler: $took s of processor time, limit $3 s"
    awk -v a="$took" -v b="$3" 'BEGIN { exit a > b }' || { echo "over the limit"; over=1; }
  done
}
check "first program" first_program.cpp 3.0
check "umbrella" umbrella.cpp 1.5
(IFS=';'; echo "${told[*]}")
exit "$over"
