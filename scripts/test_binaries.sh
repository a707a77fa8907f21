# Building and running the GoogleTest binaries. Sourced by ./test; needs $root and scripts/build.sh.
binary_seconds_max=1800

export ASAN_OPTIONS="${ASAN_OPTIONS:-detect_stack_use_after_return=1:strict_string_checks=1}"
export UBSAN_OPTIONS="${UBSAN_OPTIONS:-print_stacktrace=1}"
export TSAN_OPTIONS="${TSAN_OPTIONS:-halt_on_error=1:second_deadlock_stack=1}"

# The same random cases in every run; RC_PARAMS=seed=N for others.
export RC_PARAMS="${RC_PARAMS:-seed=20261121}"

# built PRESET [TARGET…]: build_preset whose output goes to stdout when it fails
built() {
  local log="$root/build/test/build-$1.log" preset="$1"
  shift
  if ! build_preset "$preset" "$log" "$@"; then
    cat "$log"
    echo "the $preset build failed"
    return 1
  fi
}

# g++ 12's thread sanitizer wants a memory layout that kernels with many random bits do not give; then run without them.
tsan_wrapper() {
  local binary="$1" words=""
  "$binary" --gtest_list_tests >/dev/null 2>&1 || words="setarch $(uname -m) -R"
  echo "$words"
}

# run_shard BINARY FOLDER INDEX COUNT WRAPPER…: the binary's share of its tests, in the background
run_shard() {
  local binary="$1" index="$2" count="$3"
  shift 3
  GTEST_TOTAL_SHARDS="$count" GTEST_SHARD_INDEX="$index" timeout -k 10 "$binary_seconds_max" "$@" "$binary" --gtest_brief=1
}

# run_binary PRESET FOLDER: runs one binary, prints what failed, adds to tests_passed
run_binary() {
  local preset="$1" folder="$2" binary="$root/build/$1/bin/$2_tests" shards i ok=1 wrapper=() count
  local -a pids=()
  shards="$(nproc)"
  ((shards > 4)) && shards=4
  [[ "$folder" == stress ]] && shards=1 # a storm wants all cores for itself
  [[ "$preset" == *tsan ]] && read -ra wrapper <<<"$(tsan_wrapper "$binary")"
  for ((i = 0; i < shards; i++)); do
    run_shard "$binary" "$i" "$shards" "${wrapper[@]}" >"$root/build/test/$preset-$folder.$i" 2>&1 &
    pids+=($!)
  done
  for ((i = 0; i < shards; i++)); do
    if ! wait "${pids[i]}"; then
      ok=0
      cat "$root/build/test/$preset-$folder.$i"
    fi
  done
  ((ok)) || { echo "$preset $folder: failed"; return 1; }
  count="$(cat "$root/build/test/$preset-$folder".[0-9]* | sed -n 's/^\[  PASSED  \] \([0-9]*\) test.*/\1/p' | awk '{ n += $1 } END { print n + 0 }')"
  if ((count == 0)); then
    echo "$preset $folder: no test ran"
    return 1
  fi
  tests_passed=$((tests_passed + count))
}

# test_binaries PRESET FOLDER…: builds and runs tests/<folder>; the last line tells how many tests passed
test_binaries() {
  local preset="$1" folder targets=()
  shift
  tests_passed="${tests_passed:-0}"
  for folder in "$@"; do
    if [[ -z "$(find "tests/$folder" -name '*_test.cpp' -print -quit 2>/dev/null)" ]]; then
      echo "tests/$folder has no *_test.cpp"
      return 1
    fi
    targets+=("${folder}_tests")
  done
  built "$preset" "${targets[@]}" || return 1
  for folder in "$@"; do run_binary "$preset" "$folder" || return 1; done
  echo "$tests_passed tests passed"
}
