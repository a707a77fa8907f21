# Debian packages: what ./run needs and what ./test needs besides. Sourced by both and by bench/compare; needs nothing but bash and apt.
run_packages=(
  g++ cmake ninja-build
  libfmt-dev libspdlog-dev libboost1.81-dev libboost-context1.81-dev libssl-dev libcli11-dev nlohmann-json3-dev
)
test_packages=(
  "${run_packages[@]}"
  ccache mold python3 git
  libgtest-dev libgmock-dev librapidcheck-dev libbenchmark-dev prometheus-cpp-dev
  clang-19 libclang-rt-19-dev clang-format-14 spin chromium gdb valgrind
)
# bench/compare adds those of the peers that it is asked for.
compare_packages=("${run_packages[@]}" ccache mold libbenchmark-dev)

# missing_packages NAME…: prints those that are not installed
missing_packages() {
  local package
  for package in "$@"; do
    [[ "$(dpkg-query -W -f='${Status}' "$package" 2>/dev/null)" == "install ok installed" ]] || echo "$package"
  done
}

# need_packages LOG NAME…: installs those that are missing and says in one phrase what it did
need_packages() {
  local log="$1" missing as_root=()
  shift
  mapfile -t missing < <(missing_packages "$@")
  if ((${#missing[@]} == 0)); then
    echo "all present"
    return 0
  fi
  if ((EUID != 0)); then
    if ! command -v sudo >/dev/null; then
      echo "missing: ${missing[*]}; run as root or install sudo"
      return 1
    fi
    as_root=(sudo)
  fi
  mkdir -p "$(dirname "$log")"
  if "${as_root[@]}" apt-get update >"$log" 2>&1 &&
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
      apt-get install -y --no-install-recommends "${missing[@]}" >>"$log" 2>&1; then
    echo "installed ${missing[*]}"
  else
    tail -20 "$log"
    echo "could not install ${missing[*]} (log: $log)"
    return 1
  fi
}
