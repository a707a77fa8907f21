# build_preset PRESET LOG [TARGET…]: configures a preset once, builds it, and keeps the output in LOG. Sourced; needs $root.
build_preset() {
  local preset="$1" log="$2" target targets=()
  shift 2
  for target in "$@"; do targets+=(--target "$target"); done
  mkdir -p "$(dirname "$log")"
  (
    cd "$root"
    if [[ ! -f "build/$preset/build.ninja" ]]; then
      cmake --preset "$preset" || exit 1
    fi
    cmake --build --preset "$preset" --parallel "$(nproc)" "${targets[@]}"
  ) >"$log" 2>&1
}
