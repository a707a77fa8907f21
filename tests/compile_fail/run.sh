#!/usr/bin/env bash
# Compiles what must not compile, and looks at what the compiler says first.
#
#   tests/compile_fail/run.sh [COMPILER…]          default: g++ clang++-19
#   CASES='raw_*' tests/compile_fail/run.sh        only the cases of that name
#
# cases/*.cpp must be refused, and the first line with "error:" in it must contain what the file's head asks for:
#   // expect: TEXT             the first error line contains TEXT
#   // expect-regex: REGEX      … matches the extended REGEX
#   // also: TEXT               and TEXT occurs somewhere in the output (the types that are named, say)
#   // when: CONDITION          refused only where this preprocessor condition holds; elsewhere the case must compile
# Each includes library.hpp, which is precompiled once for each compiler.
# cases/ok/*.cpp must compile. canary/ holds cases that a working harness must fail; they are tried first.
set -u -o pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
jobs=2

flags=(-std=c++23 -Wall -Wextra "-I$root/include" "-I$here")

# The words that make a compiler use library.hpp precompiled: g++ finds library.hpp.gch in the first folder that it searches.
precompiled() {
  local folder=${COMPILE_FAIL_PCH-}/$(basename "$1")
  if [[ -e $folder/library.hpp.gch ]]; then
    echo "-I$folder"
  elif [[ -e $folder/library.pch ]]; then
    echo "-include-pch $folder/library.pch"
  fi
}
precompile() {
  local compiler=$1 folder=$2/$(basename "$1") output=library.pch
  mkdir "$folder"
  "$compiler" --version | grep -q clang || output=library.hpp.gch
  "$compiler" "${flags[@]}" -x c++-header "$here/library.hpp" -o "$folder/$output"
}

directive() { sed -n "1,8s|^// $2: ||p" "$1" | head -n 1; }
holds() { printf '#if !(%s)\n#error\n#endif\n' "$2" | "$1" -E -x c++ - >/dev/null 2>&1; }

# One case with one compiler: prints "pass<TAB>…" or "FAIL<TAB>…".
judge() {
  local compiler=$1 file=$2 expect regex also when output status=0 first name
  name=${file#"$here"/}
  verdict() { printf '%s\t%-12s %-52s %s\n' "$1" "$(basename "$compiler")" "$name" "$2"; }
  output=$("$compiler" -fsyntax-only $(precompiled "$compiler") "${flags[@]}" "$file" 2>&1) || status=$?
  first=$(grep -m 1 'error:' <<<"$output" || true)

  when=$(directive "$file" when)
  if [[ $file == */ok/* ]] || { [[ -n $when ]] && ! holds "$compiler" "$when"; }; then
    if ((status == 0)); then verdict pass compiles; else verdict FAIL "must compile: $first"; fi
    return
  fi

  expect=$(directive "$file" expect) regex=$(directive "$file" expect-regex) also=$(directive "$file" also)
  if [[ -z $expect$regex ]]; then
    verdict FAIL "says nothing of what it expects"
  elif ((status == 0)); then
    verdict FAIL "compiles, and must not"
  elif [[ -n $expect ]] && ! grep -qF -- "$expect" <<<"$first"; then
    verdict FAIL "first error: ${first:-none}"
  elif [[ -n $regex ]] && ! grep -qE -- "$regex" <<<"$first"; then
    verdict FAIL "first error: ${first:-none}"
  elif [[ -n $also ]] && ! grep -qF -- "$also" <<<"$output"; then
    verdict FAIL "the output does not name: $also"
  else
    verdict pass refused
  fi
}

if [[ ${1-} == --judge ]]; then
  judge "$2" "$3"
  exit
fi

judge_all() {  # folder, compilers…
  local folder=$1 compiler file
  shift
  for compiler in "$@"; do
    for file in "$folder"/${CASES:-*}.cpp "$folder"/ok/${CASES:-*}.cpp; do
      [[ -e $file ]] && printf '%s\0%s\0' "$compiler" "$file"
    done
  done | xargs -0 -r -n 2 -P "$jobs" "$here/run.sh" --judge
}

compilers=("$@")
((${#compilers[@]})) || compilers=(g++ clang++-19)
for compiler in "${compilers[@]}"; do
  command -v "$compiler" >/dev/null || { echo "compile_fail: no such compiler: $compiler" >&2; exit 2; }
done

COMPILE_FAIL_PCH=$(mktemp -d)
export COMPILE_FAIL_PCH
trap 'rm -rf "$COMPILE_FAIL_PCH"' EXIT
for compiler in "${compilers[@]}"; do
  precompile "$compiler" "$COMPILE_FAIL_PCH" || { echo "compile_fail: $compiler does not compile library.hpp" >&2; exit 2; }
done

believed=$(CASES='' judge_all "$here/canary" "${compilers[@]}" | grep -c '^pass' || true)
wanted=$(find "$here/canary" -name '*.cpp' | wc -l)
if ((believed != 0 || wanted == 0)); then
  echo "compile_fail: the harness passes $believed of its canaries, which must all fail" >&2
  exit 3
fi

rows=$(judge_all "$here/cases" "${compilers[@]}" | sort -t $'\t' -k 2)
echo "$rows"
passed=$(grep -c '^pass' <<<"$rows" || true)
failed=$(grep -c '^FAIL' <<<"$rows" || true)
echo "$passed passed, $failed failed"
((failed == 0 && passed > 0))
