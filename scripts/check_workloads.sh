#!/usr/bin/env bash
# Every workload of bench/compare once in short, with one worker and with two; what bench_workloads prints and what it refuses.
# Usage: scripts/check_workloads.sh PROGRAM
set -uo pipefail
program="$1"
failed=0

fail() {
  echo "$*"
  failed=$((failed + 1))
}

# refuses SENTENCE ARGUMENT…: it ends with status 2, and with this sentence
refuses() {
  local sentence="$1" told
  shift
  told="$("$program" "$@" 2>&1)"
  (($? == 2)) || fail "bench_workloads $*: should end with status 2"
  [[ "$told" == *"$sentence"* ]] || fail "bench_workloads $*: should say '$sentence', and says: $told"
}

count=0
while read -r name _; do
  count=$((count + 1))
  for workers in 1 2; do
    if ! told="$(timeout -k 10 300 "$program" "$name" --small --workers "$workers" 2>&1)"; then
      fail "$name with $workers workers: $told"
    elif ! grep -qE "^$name [a-z]+ [0-9.e+]+ (ns|ms|bytes)$" <<<"$told"; then
      fail "$name with $workers workers prints no result: $told"
    fi
  done
done < <("$program" --list)
((count > 0)) || fail "bench_workloads --list names no workload"

refuses "no workload was named"
refuses "no such workload or option: W99" W99
refuses "one workload at a time; this is one too many: W2" W1 W2
refuses "--workers needs a number from 1 to 1024, and was given: 0" W1 --workers 0
refuses "--workers needs a number from 1 to 1024, and was given: two" W1 --workers two

((failed == 0)) || { echo "$failed checks of bench_workloads failed"; exit 1; }
echo "$count workloads run"
