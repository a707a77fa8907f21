#!/usr/bin/env python3
"""Checks that every test that docs/laws.md names exists, and that every line of its tables names one.

Usage: check_laws.py [--self-test] [ROOT]
"""
import re
import sys
import tempfile
from pathlib import Path

NAMED = re.compile(r"`([A-Z]\w+\.\w+)`")
TEST = re.compile(r"^[ \t]*(?:[A-Z_]*TEST(?:_[FP])?|[A-Z][A-Z0-9_]*)\(\s*(\w+)\s*,\s*(\w+)", re.MULTILINE)


def check_tree(root):
    """(tests named, complaints)"""
    tests = set()
    for file in sorted((root / "tests").rglob("*_test.cpp")):
        tests |= {f"{suite}.{name}" for suite, name in TEST.findall(file.read_text(encoding="utf-8"))}
    named, complaints = 0, []
    for number, line in enumerate((root / "docs" / "laws.md").read_text(encoding="utf-8").splitlines(), 1):
        if not line.startswith("|") or set(line) <= set("|- "):
            continue
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if cells[-1] in ("held by", "test"):
            continue
        names = NAMED.findall(cells[-1])
        named += len(names)
        if not names:
            complaints.append(f"docs/laws.md:{number}: names no test")
        complaints += [f"docs/laws.md:{number}: there is no test {name}" for name in names if name not in tests]
    if named == 0:
        complaints.append("docs/laws.md names no test at all")
    return named, complaints


def self_test():
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "docs").mkdir()
        (root / "tests").mkdir()
        (root / "tests" / "a_test.cpp").write_text("TEST(Lock, IsFair) {\n")
        head = "| law | held by |\n|---|---|\n"
        for row, complaints in (
            ("| fair | `Lock.IsFair` |", 0),
            ("| fair | `Lock.IsSlow` |", 1),
            ("| fair | we hope so |", 2),
        ):
            (root / "docs" / "laws.md").write_text(head + row + "\n")
            got = check_tree(root)[1]
            assert len(got) == complaints, (row, got)


def main():
    arguments = sys.argv[1:]
    if arguments[:1] == ["--self-test"]:
        self_test()
        return 0
    root = Path(arguments[0]) if arguments else Path(__file__).resolve().parent.parent
    named, complaints = check_tree(root)
    for complaint in complaints:
        print(complaint)
    if complaints:
        return 1
    print(f"{named} tests hold the laws")
    return 0


if __name__ == "__main__":
    sys.exit(main())
