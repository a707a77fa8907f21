#!/usr/bin/env bash
# The gdb script on a program that waits in known places: live, in a core that gdb wrote, and in one of an abort.
# Usage: check_gdb.sh BUILD_DIR WORK_DIR     BUILD_DIR has the target `waiting` and the library
set -euo pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
build="$(cd "$1" && pwd)"
mkdir -p "$2"
work="$(cd "$2" && pwd)"
source_file="$root/tests/diagnostics/waiting.cpp"
export PYTHONDONTWRITEBYTECODE=1 DEBUGINFOD_URLS=
checked=()

fail() {
  echo "FAIL $1"
  [[ $# -lt 2 ]] || sed 's/^/    /' "$2"
  exit 1
}

line_of() { grep -n "// here: $1\$" "$source_file" | cut -d: -f1; }

# expect FILE PATTERN: a line that the pattern (an extended regular expression) matches from its first word to its end
expect() { grep -qE "^ *$2\$" "$1" || fail "no line is: $2" "$1"; }

commands=(-ex "source $root/tools/gdb/quiesce-gdb.py" -ex "echo ---- regions\n" -ex "quiesce regions" -ex "echo ---- tasks\n"
  -ex "quiesce tasks" -ex "echo ---- all\n" -ex "quiesce stack all" -ex "echo ---- one\n" -ex "quiesce stack 0.0.2" -ex "echo ---- end\n")
debugger=(gdb -q -nx -batch -iex "set debuginfod enabled off" -iex "set width 0")

# told OUTPUT REPORT: what our commands have printed
told() { sed -n '/^---- regions$/,/^---- end$/p' "$1" >"$2"; }

# check REPORT: everything that is known of the program
check() {
  local report="$1" here="[^ ]*waiting\.cpp"
  expect "$report" 'region 0 \(R[0-9.]+\) Open, live 5'
  expect "$report" 'region 0\.0\.0\.0 \(R[0-9.]+\) Open, live 7'
  expect "$report" 'body 0\.0 \(T[0-9.]+\) Running, runs or is queued'
  expect "$report" 'task 0\.0\.1 \(T[0-9.]+\) Running, waits for sleep'
  expect "$report" 'task 0\.0\.0 \(T[0-9.]+\) Running, waits for a region to close: 0\.0\.0\.0'
  expect "$report" 'body 0\.0\.0\.0\.0 \(T[0-9.]+\) Running, waits for join: 0\.0\.0\.0\.0\.5'
  expect "$report" 'task 0\.0\.0\.0\.0\.4 \(T[0-9.]+\) Running, waits for a permit of a semaphore "connections"'
  expect "$report" 'task 0\.0\.2 .* waits for the first of several operations: semaphore "connections", of task 0\.0\.1'
  expect "$report" '5 of task \(0\.0\.0\.0\.0\.0, 0\.0\.0\.0\.0\.1, 0\.0\.0\.0\.0\.2, …\) Running, waits for a permit of a semaphore "connections"'
  expect "$report" "#0 app::connect at $here:$(line_of connect):[0-9]+"
  expect "$report" "#1 app::fetch at $here:$(line_of fetch):[0-9]+"
  expect "$report" "#0 app::nap at $here:$(line_of nap):[0-9]+"
  expect "$report" "#0 app::watch at $here:$(line_of watch):[0-9]+"
  expect "$report" "#0 app::serve.* at $here:$(line_of join):[0-9]+"
  expect "$report" "#1 app::serve at $here:$(line_of region):[0-9]+"
  ! grep -q "Python Exception\|Error occurred" "$report" || fail "the script has failed" "$report"
}

# check_core PROGRAM CORE NAME
check_core() {
  "${debugger[@]}" "${commands[@]}" "$1" "$2" >"$work/$3.out" 2>&1 || true
  told "$work/$3.out" "$work/$3"
  check "$work/$3"
}

# check_program PROGRAM NAME
check_program() {
  local program="$1" name="$2" found=0
  rm -f "$work"/core* "$work/$name".*
  timeout 60 "${debugger[@]}" -ex "set disable-randomization off" -ex "break everybody_waits" -ex "run dump" "${commands[@]}" \
    -ex "generate-core-file $work/core.$name" -ex kill "$program" >"$work/$name.live.out" 2>&1 || true
  if ! grep -q "Operation not permitted" "$work/$name.live.out"; then
    told "$work/$name.live.out" "$work/$name.live"
    check "$work/$name.live"
    check_core "$program" "$work/core.$name" "$name.core"
    cmp -s "$work/$name.live" "$work/$name.core" || fail "the core tells something else than the process" "$work/$name.core"
    found=2
  fi
  # Where the system lets it be, the core of a crash.
  (
    cd "$work" && ulimit -c unlimited
    "$program" abort || true
  ) >/dev/null 2>&1
  local core
  core="$(find "$work" -maxdepth 1 -name 'core*' ! -name "core.$name" | head -1)"
  if [[ -n "$core" ]]; then
    check_core "$program" "$core" "$name.crash"
    found=$((found + 1))
  fi
  ((found)) || fail "neither may gdb run a program here, nor does a crash leave a core file" "$work/$name.live.out"
  rm -f "$work"/core*
  checked+=("$name: $found")
}

check_program "$build/bin/waiting" gcc
if command -v clang++-19 >/dev/null; then
  clang++-19 -std=c++23 -O2 -g -fstandalone-debug -I"$root/include" "$source_file" "$build/lib/libquiesce.a" -lfmt -lspdlog \
    "$(g++ -print-file-name=libbacktrace.a)" -lpthread -o "$work/waiting-clang"
  check_program "$work/waiting-clang" clang
fi

# The dump of the program itself tells the same places.
"$build/bin/waiting" dump >"$work/dump"
expect "$work/dump" 'runtime "waiting": 2 regions, 11 tasks'
expect "$work/dump" '5 of task \(0\.0\.0\.0\.0\..* each waits for a permit of a semaphore "connections" since .*'
expect "$work/dump" "app::fetch at [^ ]*waiting\.cpp:$(line_of fetch):[0-9]+"
expect "$work/dump" 'end of dump'
echo "live processes and core files read (${checked[*]}), and the dump"
