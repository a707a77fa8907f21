#!/usr/bin/env bash
# Runs the smaller examples: logstat against awk, philosophers and crawler for real and in the lab.
# Usage: check_examples.sh BIN
set -euo pipefail
bin="$(realpath "$1")"
export LC_ALL=C
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cd "$work"

fail() {
  echo "$*"
  exit 1
}

# make_log SEED LINES: an access log with some lines that are none, and no newline at its end
make_log() {
  awk -v seed="$1" -v lines="$2" 'BEGIN {
    srand(seed)
    for (i = 1; i <= lines; ++i) {
      end = i < lines ? "\n" : ""
      if (i % 97 == 5) { printf "a line that is none %d%s", i, end; continue }
      split("200 200 304 404 500", statuses, " ")
      bytes = i % 11 == 0 ? "-" : int(rand() * 9000)
      printf "10.0.0.%d - - [10/Oct/2026:13:55:36 +0000] \"GET /p/%d HTTP/1.1\" %s %s%s", int(rand() * 250), int(rand() * rand() * 60), statuses[1 + int(rand() * 5)], bytes, end
    }
  }'
}

# sum_up FILE…: as logstat does, but for the order of paths that were asked for equally often
sum_up() {
  awk -F'"' '{ ++lines }
    NF != 3 { ++unreadable; next }
    { split($3, end, " "); split($2, request, " "); ++status[end[1]]; ++path[request[2]]; if (end[2] != "-") bytes += end[2] }
    END {
      printf "lines %d\nunreadable %d\nbytes %d\n", lines, unreadable, bytes
      for (s in status) printf "status %s %d\n", s, status[s]
      for (p in path) printf "path %d %s\n", path[p], p
    }' "$@" | sort
}

for seed in 1 2 3; do make_log "$seed" 40000 >"log$seed"; done
: >empty
# awk joins a last line without a newline to nothing, so the files are given one by one to both.
for log in log1 log2 log3 empty; do
  "$bin/logstat" --paths 1000 "$log" | sort >got
  sum_up "$log" >expected
  cmp -s got expected || { diff got expected | head; fail "logstat: $log is summed up otherwise than by awk"; }
done
"$bin/logstat" --parsers 4 log1 log2 log3 | head -1 | grep -qx 'lines 120000' || fail "logstat: three files are not 120,000 lines"
"$bin/logstat" log1 missing >/dev/null 2>err && fail "logstat: a missing file is no failure"
grep -q '^logstat: missing: No such file or directory$' err || { cat err; fail "logstat: it does not say what is missing"; }

"$bin/philosophers" | grep -qx '5 philosophers have eaten 10000 times each' || fail "philosophers: not all have eaten"
"$bin/philosophers" --lab >lab || { cat lab; fail "philosophers: not what was expected in the lab"; }
grep -q 'in a cycle task .* waits for a mutex "fork .", held by task' lab || { cat lab; fail "philosophers: the cycle is not named"; }

"$bin/crawler" | grep -q ' pages found, ' || fail "crawler: no pages"
"$bin/crawler" --lab >lab || { cat lab; fail "crawler: does not hold in the lab"; }
echo "logstat sums up as awk does; philosophers and a crawler for real and in the lab"
