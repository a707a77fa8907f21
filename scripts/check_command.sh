#!/usr/bin/env bash
# The quiesce command against a program with planted bugs, and its page in a browser. Usage: check_command.sh BUILD_DIR [PICTURES]
# BUILD_DIR has the targets quiesce_command, planted and planted_changed; pictures of the page go to PICTURES.
set -euo pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
bin="$(cd "$1/bin" && pwd)"
export PYTHONDONTWRITEBYTECODE=1

python3 "$root/tests/command/command_test.py" "$bin/quiesce" "$bin/planted"
python3 "$root/tests/command/page_test.py" "$bin/quiesce" ${2:+"$2"}
echo "hunted, replayed and shown, and the page used in a browser"
