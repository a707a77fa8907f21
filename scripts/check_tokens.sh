#!/usr/bin/env bash
# Tokens of one build lead to the same failure in another one, by another compiler say, and the other way round.
# Usage: check_tokens.sh BUILD_DIR BUILD_DIR
# Both have the targets planted, planted_changed and bank, and the first one quiesce_command.
set -euo pipefail

(($# == 2)) || { echo "usage: check_tokens.sh BUILD_DIR BUILD_DIR" >&2; exit 2; }
first="$(cd "$1" && pwd)"
second="$(cd "$2" && pwd)"
quiesce="$first/bin/quiesce"
scratch="$(mktemp -d)"
trap 'rm -rf "$scratch"' EXIT
planted_bugs=(Bank.TransfersKeepTheSum Bank.LeavesNothingHalfDoneWhenItIsCancelled Threads.LockInOneOrder)
# Among others, so that the token has to find its body.
among=(--gtest_filter='-Crashing.*:Endless.*')
strategies=(random pct3 dpor) # dpor injects no requests
replayed=0

fail() { # WHAT FILE
  echo "$1"
  cat "$2"
  exit 1
}

# The kind and sentence of a pack's failure, as the command tells it when it comes again.
told_of() { # PACK
  python3 - "$1/trace.qtrace" <<'PYTHON'
import json, sys
header = json.loads(open(sys.argv[1]).readline())
print(f"reproduced: {header['kind']}: {header['message']}")
PYTHON
}

# Each bug that the lab finds in one build, run again in the other: as it is there, and after changes elsewhere in the program.
planted() { # FROM TO
  local bug strategy packs pack status program
  for bug in "${planted_bugs[@]}"; do
    for strategy in "${strategies[@]}"; do
      [[ "$bug" != *Cancelled ]] || strategy="${strategy/dpor/pct2}+cancels"
      packs="$(mktemp -d -p "$scratch")"
      status=0
      "$quiesce" hunt --time 60 --seed 1 --jobs 1 --strategy "$strategy" --packs "$packs" -- "$1/bin/planted" \
        --gtest_filter="$bug" >"$scratch/log" 2>&1 || status=$?
      ((status == 1)) || fail "$1 does not find $bug by $strategy:" "$scratch/log"
      pack="$(echo "$packs"/*)"
      for program in "$2/bin/planted" "$2/bin/planted_changed"; do
        "$quiesce" replay "$(<"$pack/token.txt")" -- "$program" "${among[@]}" >"$scratch/log" 2>&1 || true
        grep -qxF "$(told_of "$pack")" "$scratch/log" ||
          fail "the token $(<"$pack/token.txt") of $1, of $bug by $strategy, does not lead to its failure in $program:" "$scratch/log"
        replayed=$((replayed + 1))
      done
    done
  done
}

# Places in the source are what a build without debug information does not know.
schedule() { # REPORT
  sed -n '/^step /,/^then: /p' "$1" | sed -E 's/( at)? *[a-z_]+\.[ch]pp:[0-9]+$//; s/ *(at)?$//'
}

bank() { # FROM TO
  local token
  "$1/bin/bank" --hunt >"$scratch/found"
  token="$(sed -n 's/^so: bank --replay //p' "$scratch/found")"
  "$2/bin/bank" --replay "$token" >"$scratch/again" 2>&1 || fail "$2/bin/bank does not replay $token of $1:" "$scratch/again"
  [[ -n "$(schedule "$scratch/found")" ]] || fail "$1/bin/bank prints no schedule:" "$scratch/found"
  diff <(schedule "$scratch/found") <(schedule "$scratch/again") >"$scratch/log" ||
    fail "$2/bin/bank makes another schedule of $token than $1:" "$scratch/log"
  replayed=$((replayed + 1))
}

for way in planted bank; do
  "$way" "$first" "$second"
  "$way" "$second" "$first"
done
echo "$replayed tokens replayed by the other build"
