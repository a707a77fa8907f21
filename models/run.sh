#!/usr/bin/env bash
# Checks the protocol models with spin: each model exhaustively and without an error, then each of its mutants, which must fail.
# A mutant is a sed script named <model>.<defect>.sed; its first line says what is broken.
# Usage: models/run.sh [work directory]
set -uo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
work="${1:-$(mktemp -d)}"
[[ $# -gt 0 ]] || trap 'rm -rf "$work"' EXIT
mkdir -p "$work" && rm -f "$work"/*.pml
depth_max=200000
memory_mib_max=3072
seconds_max=300
failed=0

# verify NAME MODEL: leaves the verifier's report in $work/NAME/report; fails when it could not be made
verify() {
  local dir="$work/$1"
  rm -rf "$dir" && mkdir -p "$dir" && cp "$2" "$dir/model.pml"
  (
    cd "$dir" || exit 1
    # Not optimised: most searches are over sooner than the optimiser would be.
    spin -a model.pml && cc -w -O0 -DSAFETY -DMEMLIM="$memory_mib_max" -o pan pan.c || exit 1
    timeout "$seconds_max" ./pan -m"$depth_max"
  ) >"$dir/report" 2>&1
}

errors_of() { sed -n 's/.*errors: \([0-9]*\).*/\1/p' "$work/$1/report" | tail -1; }
states_of() { sed -n 's/^ *\([0-9]*\) states, stored.*/\1/p' "$work/$1/report" | tail -1; }
exhausted() { ! grep -qE 'max search depth too small|out of memory|Search not completed' "$work/$1/report"; }
reason_of() { grep -m1 -oE 'assertion violated.*|invalid end state' "$work/$1/report"; }

bad() {
  echo "FAIL $1: $2"
  sed 's/^/    /' "$work/$3/report" | tail -20
  failed=$((failed + 1))
}

# All at once, as many as there are processors; told in their order afterwards.
for script in "$here"/mutants/*.sed; do
  name="$(basename "$script" .sed)"
  sed -f "$script" "$here/${name%%.*}.pml" >"$work/$name.pml"
done
for model in "$here"/*.pml "$work"/*.pml; do
  while (($(jobs -rp | wc -l) >= $(nproc))); do wait -n; done
  verify "$(basename "$model" .pml)" "$model" &
done
wait

for model in "$here"/*.pml; do
  name="$(basename "$model" .pml)"
  if [[ -z "$(errors_of "$name")" ]]; then
    bad "$name" "the verifier could not be built, or ran out of time" "$name"
  elif [[ "$(errors_of "$name")" != 0 ]]; then
    bad "$name" "$(reason_of "$name")" "$name"
  elif ! exhausted "$name"; then
    bad "$name" "the search is not exhaustive" "$name"
  else
    echo "ok   $name: $(states_of "$name") states, no error"
  fi
done

for script in "$here"/mutants/*.sed; do
  name="$(basename "$script" .sed)"
  model="$here/${name%%.*}.pml"
  if cmp -s "$model" "$work/$name.pml"; then
    echo "FAIL $name: the script changes nothing in $(basename "$model")"
    failed=$((failed + 1))
  elif [[ -z "$(errors_of "$name")" ]]; then
    bad "$name" "the mutant could not be verified" "$name"
  elif [[ "$(errors_of "$name")" == 0 ]]; then
    bad "$name" "the defect went unnoticed" "$name"
  else
    echo "ok   $name: caught ($(reason_of "$name"))"
  fi
done

exit $((failed > 0))
