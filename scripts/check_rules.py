#!/usr/bin/env python3
"""Checks that every numbered rule of docs/semantics.md has a test named by it.

A rule is a line `- C5. …`; a test names it in front of what it checks: TEST(Cancellation, C5_completion_races_cancel). One test
may name several rules (C4_R5_…). A test that names a rule which does not exist is an error too.

Usage: check_rules.py [--self-test] [ROOT]
"""
import re
import sys
import tempfile
from pathlib import Path

RULE = re.compile(r"^- ([A-Z]\d+)\. ", re.MULTILINE)
TEST = re.compile(r"^[ \t]*[A-Z][A-Z0-9_]*\(\s*\w+\s*,\s*((?:[A-Z]\d+_)+)\w", re.MULTILINE)


def check_tree(root):
    """(rules in the document's order, rule -> tests, complaints)"""
    rules = RULE.findall((root / "docs" / "semantics.md").read_text(encoding="utf-8"))
    tests = {rule: 0 for rule in rules}
    complaints = [f"docs/semantics.md: rule {rule} stands there twice" for rule in sorted({r for r in rules if rules.count(r) > 1})]
    for file in sorted((root / "tests" / "semantics").rglob("*.cpp")):
        text = file.read_text(encoding="utf-8")
        for match in TEST.finditer(text):
            for rule in match[1].rstrip("_").split("_"):
                if rule in tests:
                    tests[rule] += 1
                else:
                    line = text.count("\n", 0, match.start()) + 1
                    complaints.append(f"{file.relative_to(root)}:{line}: docs/semantics.md has no rule {rule}")
    missing = [rule for rule in rules if tests[rule] == 0]
    if missing:
        complaints.append(f"no test in tests/semantics/ is named by {', '.join(missing)} (as in TEST(Area, {missing[0]}_what_holds))")
    if not rules:
        complaints.append("docs/semantics.md has no rule of the form '- C5. …'")
    return rules, tests, complaints


def self_test():
    def complaints_of(document, tests):
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            (root / "docs").mkdir()
            (root / "tests" / "semantics").mkdir(parents=True)
            (root / "docs" / "semantics.md").write_text(document, encoding="utf-8")
            (root / "tests" / "semantics" / "a_test.cpp").write_text(tests, encoding="utf-8")
            return check_tree(root)[2]

    document = "# Rules\n- C5. One.\n- R1. Two (see C6).\n"
    cases = [
        ("all named", document, "TEST(A, C5_x) {}\nTEST_F(B,\n  R1_y) {}\n", []),
        ("two rules in one name", document, "RC_GTEST_PROP(A, C5_R1_x, (int a)) {}\n", []),
        ("one missing", document, "TEST(A, C5_x) {}\n", ["named by R1 "]),
        ("only in a comment", document, "TEST(A, C5_x) {}\n// TEST(A, R1_x)\n", ["named by R1 "]),
        ("an unknown rule", document, "TEST(A, C5_R1_x) {}\nTEST(A, Z9_x) {}\n", ["no rule Z9"]),
        ("the same rule twice", document + "- C5. Again.\n", "TEST(A, C5_R1_x) {}\n", ["C5 stands there twice"]),
    ]
    wrong = []
    for name, text, tests, expected in cases:
        got = complaints_of(text, tests)
        if len(got) != len(expected) or any(part not in line for part, line in zip(expected, got)):
            wrong.append(f"{name}: expected {expected}, got {got}")
    for line in wrong:
        print(f"self-test: {line}")
    if not wrong:
        print(f"self-test: {len(cases)} cases right")
    return 1 if wrong else 0


def main(arguments):
    if arguments[:1] == ["--self-test"]:
        return self_test()
    root = Path(arguments[0]) if arguments else Path(__file__).resolve().parent.parent
    rules, tests, complaints = check_tree(root)
    for complaint in complaints:
        print(complaint)
    named = sum(1 for rule in rules if tests[rule])
    print(f"{named} of {len(rules)} rules have tests, {sum(tests.values())} in all")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
