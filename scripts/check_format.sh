#!/usr/bin/env bash
# Is every C++ file formatted as .clang-format says? `scripts/check_format.sh --fix` formats them.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

formatter="$(command -v clang-format-14 || command -v clang-format)" || { echo "clang-format-14 is not installed"; exit 1; }
mode=(--dry-run -Werror)
[[ "${1:-}" == --fix ]] && mode=(-i)

mapfile -d '' -t listed < <(git ls-files -z --cached --others --exclude-standard -- '*.hpp' '*.cpp')
files=()
for file in "${listed[@]}"; do [[ -f "$file" ]] && files+=("$file"); done
((${#files[@]})) || { echo "no C++ file found"; exit 1; }

told="$(printf '%s\0' "${files[@]}" | xargs -0 "$formatter" "${mode[@]}" 2>&1)" || {
  sed -n 's/^\([^:]*\):\([0-9]*\):[0-9]*: error: .*/\1:\2: not formatted/p' <<<"$told" | sort -t: -k1,1 -u
  echo "some files are not formatted; scripts/check_format.sh --fix formats them"
  exit 1
}
echo "${#files[@]} files formatted"
