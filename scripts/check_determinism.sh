#!/usr/bin/env bash
# The lab's schedules by two builds of lab_tests, by two compilers say, are the same. Usage: check_determinism.sh LAB_TESTS LAB_TESTS
# Compares what LabDeterminism.PrintsHashes prints of each: hashes of runs, and of traces without their places in the source.
set -euo pipefail

hashes() {
  QUIESCE_PRINT_HASHES=1 "$1" --gtest_filter=LabDeterminism.PrintsHashes | sed -n '/^hash /p'
}

(($# == 2)) || { echo "usage: check_determinism.sh LAB_TESTS LAB_TESTS" >&2; exit 2; }
first="$(hashes "$1")"
second="$(hashes "$2")"
count="$(grep -c '^hash ' <<<"$first" || true)"
if ((count == 0)); then
  echo "$1 prints no hashes"
  exit 1
fi
if [[ "$first" != "$second" ]]; then
  echo "the lab makes other runs in $1 (<) than in $2 (>):"
  diff <(echo "$first") <(echo "$second") || true
  exit 1
fi
echo "$count hashes of the lab's runs agree"
