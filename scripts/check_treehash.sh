#!/usr/bin/env bash
# Compares treehash with sha256sum: on a small tree of odd names and odd files made here, and on the directories given; and checks
# how it stops.
# Usage: check_treehash.sh TREEHASH [DIR…]
set -euo pipefail
here="$(dirname "$(realpath "${BASH_SOURCE[0]}")")"
treehash="$(realpath "$1")"
shift
export LC_ALL=C
seconds_max=900
work="$(mktemp -d)"
trap 'chmod -R u+rwX "$work"; rm -rf "$work"' EXIT
chmod 755 "$work"

fail() {
  echo "treehash: $*"
  exit 1
}

# hash STATUS_EXPECTED ARGUMENT…: runs treehash into $work/{out,err}; STATUS_EXPECTED is 0, nonzero or any
hash() {
  local expected="$1" status=0
  shift
  timeout -k 5 "$seconds_max" "${as_user[@]}" "$treehash" "$@" >"$work/out" 2>"$work/err" || status=$?
  [[ $status != 124 && $status != 137 ]] || fail "'$*' hung"
  case "$expected" in
    0) [[ $status == 0 ]] || { cat "$work/err"; fail "'$*' ended with $status"; } ;;
    nonzero) [[ $status != 0 ]] || fail "'$*' ended with 0 though something could not be hashed" ;;
  esac
  grep -q $'\r' "$work/err" && fail "'$*' draws progress into a pipe"
  return 0
}
as_user=()

digest() { tail -1 "$work/out"; }

# same_as_sha256sum NAME DIR…: $work/out has exactly the lines of sha256sum, in the order of the paths' bytes, and its check passes
same_as_sha256sum() {
  local name="$1"
  shift
  find "$@" -type f -readable -print0 | sort -z | xargs -0 -r sha256sum >"$work/expected"
  grep -v '^#' "$work/out" >"$work/lines" || true
  [[ "$(digest)" == '#'* ]] || fail "$name: the last line is no tree digest: $(digest)"
  if ! cmp -s "$work/expected" "$work/lines"; then
    diff "$work/expected" "$work/lines" | head -10 || true
    fail "$name: differs from sha256sum"
  fi
  [[ ! -s "$work/lines" ]] || sha256sum --check --quiet --strict "$work/out" || fail "$name: sha256sum -c refuses the output"
}

# 1. Names that are hard to print.
cd "$work"
mkdir -p "names/deep/a/b/c/d" names/empty "names/with space"
printf 'x' >names/plain
: >names/zero
printf '1' >"names/with space/ leading and trailing "
printf '2' >$'names/new\nline'
printf '3' >'names/back\slash'
printf '4' >$'names/carriage\rreturn'
printf '5' >$'names/tab\tand\001control'
printf '6' >$'names/not-utf8-\xff\xfe'
printf '7' >'names/-dash'
printf '8' >'names/*glob?[x]'
printf '9' >'names/über-ß-日本'
printf 'a' >names/deep/a/b/c/d/leaf
printf 'b' >names/deep.txt # sorts between deep and deep/…
head -c 3000000 /dev/zero | tr '\0' 'q' >names/large
for ((i = 0; i < 300; i++)); do printf '%d' "$i" >"names/deep/a/file$i"; done
hash 0 names
same_as_sha256sum "odd names" names
first="$(digest)"
hash 0 --jobs 1 names
same_as_sha256sum "odd names with one job" names
[[ "$(digest)" == "$first" ]] || fail "the tree's digest depends on the number of jobs"
printf 'y' >names/plain
hash 0 --jobs 8 names
[[ "$(digest)" != "$first" ]] || fail "the tree's digest does not depend on a file's content"

# 2. Things that are no regular files, and links that go nowhere or round in circles.
mkdir -p special/inner
printf 'z' >special/inner/file
mkfifo special/fifo
python3 -c 'import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])' special/socket
ln -s ../inner special/inner/loop
ln -s nowhere special/dangling
hash any special
same_as_sha256sum "odd files" special

# 3. What cannot be read is told, and the exit status says so; the rest is hashed all the same.
mkdir -p locked/closed
printf 'r' >locked/readable
printf 's' >locked/secret
printf 't' >locked/closed/inside
if ((EUID == 0)); then
  cp "$treehash" "$work/treehash"
  treehash="$work/treehash"
  as_user=(setpriv --reuid=65534 --regid=65534 --clear-groups)
fi
chmod 000 locked/secret locked/closed
hash nonzero --keep-going locked
grep -q 'locked/secret' "$work/err" || fail "an unreadable file is not named on stderr"
grep -q 'locked/closed' "$work/err" || fail "an unreadable directory is not named on stderr"
[[ "$(grep -vc '^#' "$work/out")" == 1 ]] || fail "readable files beside an unreadable one are not hashed"
hash nonzero no-such-directory
as_user=()
told="odd names and files equal sha256sum"

# 4. Whatever stops it before its end, it stops soon and leaves nothing running.
mkdir stops
"$here/check_treehash_stops.py" "$treehash" "$work/stops"
rm -r stops
told+="; stops when told to"

# 5. Real input, with the times of both.
for dir in "$@"; do
  if [[ -z "${big_done:-}" ]]; then
    mkdir -p big && truncate -s 4G big/four-gib
    hash 0 big
    same_as_sha256sum "a file of 4 GiB" big
    rm -r big
    big_done=1
  fi
  find "$dir" -type f -readable -print0 | xargs -0 sha256sum >/dev/null # both find the files in memory
  started=$(date +%s%N)
  hash 0 "$dir"
  ended=$(date +%s%N)
  find "$dir" -type f -print0 | xargs -0 -P2 sha256sum >"$work/by-xargs"
  finished=$(date +%s%N)
  same_as_sha256sum "$dir" "$dir"
  told+="; $dir: $(wc -l <"$work/expected") files equal, treehash $(((ended - started) / 1000000)) ms, xargs -P2 sha256sum $(((finished - ended) / 1000000)) ms"
done
echo "$told"
