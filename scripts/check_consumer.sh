#!/usr/bin/env bash
# Installs a build into a fresh prefix, then configures, builds and runs tests/consumer against it: a project that knows
# quiesce only by find_package. Usage: check_consumer.sh BUILD_DIR WORK_DIR
set -euo pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
build="$1"
mkdir -p "$2"
work="$(cd "$2" && pwd)"
rm -rf "$work/prefix" "$work/source" "$work/build"

cmake --install "$build" --prefix "$work/prefix"
cp -r "$root/tests/consumer" "$work/source" # away from the tree, so that nothing of it is found by accident
cmake -S "$work/source" -B "$work/build" -G Ninja -DCMAKE_CXX_COMPILER=g++ -DCMAKE_PREFIX_PATH="$work/prefix"
cmake --build "$work/build"

"$work/prefix/bin/quiesce" --version
expected="$(cat "$work/source/expected.txt")"
printed="$("$work/build/consumer")"
if [[ "$printed" != "$expected" ]]; then
  printf 'the consumer printed:\n%s\nexpected:\n%s\n' "$printed" "$expected"
  exit 1
fi
echo "installed, found, built and run: $printed"
