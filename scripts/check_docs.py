#!/usr/bin/env python3
"""Compiles and runs the code in the documentation: every ```cpp block of the root's *.md and of docs/*.md.

- A block with `int main` is compiled, linked and run (in a scratch folder with a.txt and b.txt); it must exit with 0.
- Any other block is compiled: as it stands when it defines something, else as the body of a task with `cx` and `scope`.
  Each gets `#include <quiesce/quiesce.hpp>` and `namespace q = quiesce;` in front.
A comment on the line before a block changes what is asked of it:
  <!-- check: compile-only -->        compiled and not run
  <!-- check: no-compile -->          must not compile
  <!-- check: no-compile "text" -->   must not compile, and the compiler must say the text
  <!-- check: output -->              on a ```text block: what the program before it prints to stdout
In ```bash blocks of README.md, commands that start with ./ must exist and be executable.

Usage: check_docs.py --libraries DIR [--compiler CXX]… [--jobs N] [FILE…]     DIR holds libquiesce.a and its companions
       check_docs.py --first-program FILE    prints the first cpp block with an `int main`
"""
import argparse
import dataclasses
import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```[ \t]*$", re.MULTILINE | re.DOTALL)
MARK = re.compile(r"<!-- *check: *([^\n]*?) *-->[ \t]*\n\Z")
COMPILE_SECONDS_MAX = 300
RUN_SECONDS_MAX = 60
ARCHIVES = {  # archive -> what it needs from the system, in link order
    "libquiesce_testing.a": [],
    "libquiesce_lab.a": ["-lboost_context"],
    "libquiesce_prometheus.a": ["-lprometheus-cpp-pull", "-lprometheus-cpp-core"],
    "libquiesce.a": ["-lspdlog", "-lfmt", "-lbacktrace", "-pthread"],
}


@dataclasses.dataclass
class Block:
    file: Path
    line: int
    language: str
    text: str
    mark: str
    output: str | None = None

    @property
    def place(self):
        return f"{self.file.relative_to(ROOT) if self.file.is_relative_to(ROOT) else self.file}:{self.line}"

    @property
    def is_program(self):
        return re.search(r"^int main\b", self.text, re.MULTILINE) is not None


def blocks_of(file):
    text = file.read_text(encoding="utf-8")
    blocks = []
    for match in FENCE.finditer(text):
        mark = MARK.search(text[: match.start()])
        block = Block(file, text.count("\n", 0, match.start()) + 1, match[1], match[2], mark[1] if mark else "")
        if block.mark == "output":
            if not blocks or not blocks[-1].is_program:
                raise SystemExit(f"{block.place}: an output block must follow the program that prints it")
            blocks[-1].output = block.text
            block.mark = ""
        blocks.append(block)
    return blocks


def defines_something(text):
    """Does a block define a function, type, alias or template outside of any braces?"""
    depth = 0
    for line in text.splitlines():
        code = re.sub(r'"(\\.|[^"\\])*"|//.*', '""', line)
        if depth == 0:
            if re.match(r"(template|struct|class|enum|concept|inline|extern|namespace\s+\w+\s*\{|using\s+\w+\s*=)", code):
                return True
            # a type, a name, a parameter list, and then a body: a function
            if re.match(r"[\w:][\w:<>,&*\s]*[\s&*>]+[\w:]+\(.*\)[^;=]*\{", code) and not re.match(
                r"(if|for|while|switch|return|co_await|co_return|else)\b", code
            ):
                return True
        depth += code.count("{") - code.count("}")
    return False


def translation_unit(block):
    """What is given to the compiler, with line numbers that point into the document."""
    first = block.line + 1
    path = block.place.rsplit(":", 1)[0]
    if block.is_program:
        return f'#line {first} "{path}"\n{block.text}'
    lines = block.text.splitlines()
    hoisted = [line for line in lines if line.startswith("#include")]
    body = "\n".join("" if line.startswith("#include") else line for line in lines)
    head = "\n".join(["#include <quiesce/quiesce.hpp>", *hoisted, "namespace q = quiesce;", ""])
    if defines_something(body):
        return f'{head}#line {first} "{path}"\n{body}\n'
    end = "co_return;" if re.search(r"\bco_(await|return)\b", body) else ""
    result = "q::Task<>" if end else "void"
    return (f"{head}{result} block([[maybe_unused]] q::Cx cx, [[maybe_unused]] q::Scope<>& scope);\n"
            f"{result} block([[maybe_unused]] q::Cx cx, [[maybe_unused]] q::Scope<>& scope) {{\n"
            f'#line {first} "{path}"\n{body}\n{end}\n}}\n')


def tail(text, lines=25):
    return "\n".join("    " + line for line in text.splitlines()[:lines])


def run(command, seconds_max, **options):
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds_max, check=False, **options)
        return done.returncode, done.stdout, done.stderr
    except subprocess.TimeoutExpired:
        return -1, "", f"still running after {seconds_max} s"


def link_line(libraries):
    present = [(libraries / name, needs) for name, needs in ARCHIVES.items() if (libraries / name).is_file()]
    return [word for archive, needs in present for word in (str(archive), *needs)]


def check_block(block, compiler, libraries, folder):
    """None when all is well, else a complaint."""
    mark, _, rest = block.mark.partition(" ")
    if mark not in ("", "compile-only", "no-compile"):
        return f"{block.place}: no such mark: check: {block.mark}"
    source = folder / "block.cpp"
    source.write_text(translation_unit(block), encoding="utf-8")
    program = folder / "block"
    base = [compiler, "-std=c++23", "-O0", f"-I{ROOT / 'include'}", str(source)]
    to_run = block.is_program and mark == ""
    action = ["-o", str(program), *libraries] if to_run else ["-c", "-o", str(folder / "block.o")]
    code, _, said = run([*base, *action], COMPILE_SECONDS_MAX)
    if mark == "no-compile":
        expected = rest.strip().strip('"')
        if code == 0:
            return f"{block.place}: compiles with {compiler}, but must not"
        if expected and expected not in said:
            return f"{block.place}: {compiler} refuses it without saying '{expected}':\n{tail(said)}"
        return None
    if code != 0:
        return f"{block.place}: {compiler} refuses it:\n{tail(said)}"
    if not to_run:
        return None
    for name in ("a.txt", "b.txt"):
        (folder / name).write_text("one\ntwo\nthree\n", encoding="utf-8")
    code, printed, said = run([str(program)], RUN_SECONDS_MAX, cwd=folder)
    if code != 0:
        return f"{block.place}: exits with {code} when built with {compiler}:\n{tail(printed + said)}"
    if block.output is not None and printed.strip() != block.output.strip():
        return f"{block.place}: prints\n{tail(printed)}\n  but the document says\n{tail(block.output)}"
    return None


def check_commands(block):
    """./commands of README's bash blocks must exist; they are run by hand and by CI, not from here."""
    wrong = []
    for line in block.text.splitlines():
        match = re.match(r"\s*\$?\s*(\./[\w./-]+)", line)
        if match and not os.access(ROOT / match[1], os.X_OK):
            wrong.append(f"{block.place}: {match[1]} is not an executable of this tree")
    return wrong


def first_program(file):
    for block in blocks_of(file):
        if block.language == "cpp" and block.is_program:
            return block.text
    raise SystemExit(f"{file}: no cpp block with an int main")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--libraries", type=Path)
    parser.add_argument("--compiler", action="append")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--first-program", type=Path)
    parser.add_argument("files", nargs="*", type=Path)
    options = parser.parse_args()
    if options.first_program:
        print(first_program(options.first_program), end="")
        return 0

    files = options.files or [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("**/*.md"))]
    blocks = [block for file in files for block in blocks_of(file.resolve())]
    complaints = [wrong for block in blocks if block.language == "bash" and block.file.name == "README.md"
                  for wrong in check_commands(block)]
    code = [block for block in blocks if block.language == "cpp"]
    compilers = options.compiler or [name for name in ("g++", "clang++-19") if shutil.which(name)]
    libraries = link_line(options.libraries.resolve()) if options.libraries else []
    if code and not libraries:
        raise SystemExit(f"nothing to link with: --libraries {options.libraries}")
    with tempfile.TemporaryDirectory() as scratch, ThreadPoolExecutor(options.jobs) as pool:
        jobs = []
        for number, (block, compiler) in enumerate((b, c) for b in code for c in compilers):
            folder = Path(scratch) / str(number)
            folder.mkdir()
            jobs.append(pool.submit(check_block, block, compiler, libraries, folder))
        complaints += [job.result() for job in jobs if job.result()]
    if not code and not options.files:
        complaints.append("the documentation has no cpp block")
    for complaint in complaints:
        print(complaint)
    programs = sum(1 for block in code if block.is_program and not block.mark)
    print(f"{len(code)} blocks in {len(files)} files, {programs} of them run, with {' and '.join(compilers)}"
          + (f": {len(complaints)} wrong" if complaints else ""))
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
