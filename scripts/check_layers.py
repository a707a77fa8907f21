#!/usr/bin/env python3
"""Checks every include of the project against its layers (ARCHITECTURE.md).

A file belongs to the layer that its folder names: src/<layer>/, include/quiesce/<layer>/, include/quiesce/detail/<layer>/.
Files directly in include/quiesce/detail/ are core; the public headers directly in include/quiesce/ are listed below.
A layer may include itself and what ALLOWED gives it, nothing else. Examples, benchmarks and tools see public headers only,
but for benchmarks of a part (bench/parts, bench/*_workloads.cpp).

Usage: check_layers.py [--self-test] [ROOT]
"""
import re
import sys
import tempfile
from pathlib import Path

LEAVES = ["sync", "channel", "time", "io", "net", "combinators", "parallel"]
ROWS = {  # layer -> what it may include besides itself
    "core": [],
    "kernel": ["core"],
    "coro": ["core", "kernel"],
    "exec": ["core", "kernel"],
    "scope": ["core", "kernel", "coro"],
}
ROWS |= {leaf: ["core", "kernel", "coro", "scope"] for leaf in LEAVES}
for leaf in ("channel", "time"):  # they wait as the primitives of sync do
    ROWS[leaf].append("sync")
ROWS["combinators"] += ["sync", "channel", "time"]
ROWS["prometheus"] = ["core", "kernel"]
ROWS["runtime"] = ["core", "kernel", "coro", "exec", "scope", *LEAVES]
ROWS["lab"] = ["core", "kernel", "coro", "exec", "scope", *LEAVES]
ROWS["testing"] = ["core", "kernel", "coro", "scope", *LEAVES, "lab"]
ALLOWED = {layer: {layer, *below} for layer, below in ROWS.items()}

PUBLIC = {  # headers directly in include/quiesce/
    "core": "budget cancel error ids logical outcome outcome_fmt panic policy sendable time",
    "kernel": "capabilities limits log metrics metrics_memory panic_isolation spawn_error",
    "coro": "task",
    "scope": "combinators cx fork_join handle obligation region rref scope started",
    "sync": "callback select thread_port",
    "time": "interval stopwatch timeout timer",
    "channel": "buffered merge stream",
    "prometheus": "metrics_prometheus",
    "runtime": "quiesce runtime",
    "lab": "lab",
}
PUBLIC_LAYER = {f"{name}.hpp": layer for layer, names in PUBLIC.items() for name in names.split()}

OUTSIDE = ("examples", "bench", "tools")  # folders that see public headers only
# but what measures a part must see it; bench/compare and the rest measure what users have
MEASURES_PARTS = re.compile(r"bench/(parts/.*|\w+_workloads\.cpp)")

# What a header may not drag into every user's translation unit, and who is excused.
HEAVY = {"iostream", "regex", "format", "print"}
HEAVY_PREFIXES = ("fmt/", "spdlog/", "prometheus/", "openssl/")
MAY_INCLUDE_FMT = {"outcome_fmt.hpp"}

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.MULTILINE)


class Unknown(Exception):
    pass


def layer_of(path):
    """The layer of a path relative to the project's root; None for files outside the layers (examples, tests, …)."""
    parts = path.parts
    if parts[0] == "src":
        if len(parts) < 3 or parts[1] not in ALLOWED:
            raise Unknown(f"{path}: no layer has this folder; put the file into src/<layer>/ with one of {', '.join(ALLOWED)}")
        return parts[1]
    if parts[:2] == ("include", "quiesce"):
        rest = parts[2:]
        if rest[0] == "detail":
            rest = rest[1:]
            if len(rest) == 1:
                return "core"
        elif len(rest) == 1:
            if rest[0] not in PUBLIC_LAYER:
                raise Unknown(f"{path}: a public header that no layer lists; add it to PUBLIC in scripts/check_layers.py, "
                              "under the lowest layer that has all it includes")
            return PUBLIC_LAYER[rest[0]]
        if rest[0] not in ALLOWED:
            raise Unknown(f"{path}: no layer has this folder; use one of {', '.join(ALLOWED)}")
        return rest[0]
    return None


def resolve(root, path, quoted, name):
    """The project's file that an include names, relative to the root, or None for a foreign header."""
    bases = [root / "include", root / "src"]
    if quoted:
        bases.insert(0, (root / path).parent)
    for base in bases:
        found = base / name
        if found.is_file():
            found = found.resolve()
            return found.relative_to(root) if found.is_relative_to(root) else None
    if name.startswith("quiesce/"):
        return Path("include") / name  # a header that is named but not there
    return None


def check_include(root, path, layer, quoted, name):
    target = resolve(root, path, quoted, name)
    in_header = path.parts[0] == "include"
    if target is None:
        heavy = name in HEAVY or (name.startswith(HEAVY_PREFIXES) and path.name not in MAY_INCLUDE_FMT)
        if in_header and heavy:
            return f"<{name}> in a header costs every user's build; use it in a .cpp file"
        return None
    if not (root / target).is_file():
        return f"<{name}> does not exist"
    if layer is None:
        outside = path.parts[0] in OUTSIDE and not MEASURES_PARTS.fullmatch(path.as_posix())
        if outside and ("detail" in target.parts or target.parts[0] == "src"):
            return f"<{name}> is not public; examples, benchmarks and tools use what users have"
        return None
    below = layer_of(target)
    if below not in ALLOWED[layer]:
        allowed = ", ".join(sorted(ALLOWED[layer] - {layer})) or "nothing else"
        return f"<{name}> is of layer {below}, but {layer} may include only itself and {allowed}"
    return None


def check_tree(root):
    """(number of files, list of complaints)"""
    root = root.resolve()
    files = sorted(file for folder in ("include", "src", *OUTSIDE) for file in (root / folder).rglob("*")
                   if file.suffix in (".hpp", ".cpp", ".h", ".cc"))
    complaints = []
    for file in files:
        path = file.relative_to(root)
        try:
            layer = layer_of(path)
        except Unknown as unknown:
            complaints.append(str(unknown))
            continue
        text = file.read_text(encoding="utf-8")
        for match in INCLUDE.finditer(text):
            try:
                wrong = check_include(root, path, layer, match[1] == '"', match[2])
            except Unknown as unknown:
                wrong = str(unknown)
            if wrong:
                line = text.count("\n", 0, match.start()) + 1
                complaints.append(f"{path}:{line}: {wrong}")
    return len(files), complaints


def self_test():
    """Plants one violation of each sort in a small tree and expects each to be found, and nothing else."""
    clean = {
        "include/quiesce/ids.hpp": "#include <cstdint>\n",
        "include/quiesce/task.hpp": "#include <quiesce/ids.hpp>\n#include <quiesce/detail/kernel/word.hpp>\n",
        "include/quiesce/detail/kernel/word.hpp": "#include <quiesce/ids.hpp>\n",
        "include/quiesce/runtime.hpp": "#include <quiesce/task.hpp>\n",
        "src/runtime/runtime.cpp": "#include <quiesce/runtime.hpp>\n#include \"exec/worker.hpp\"\n#include <fmt/core.h>\n",
        "src/exec/worker.hpp": "#include <quiesce/ids.hpp>\n",
    }
    planted = {
        "src/core/up.cpp": ("#include <quiesce/task.hpp>\n", "is of layer coro, but core"),
        "src/coro/side.cpp": ('#include "../exec/worker.hpp"\n', "is of layer exec, but coro"),
        "src/exec/side.cpp": ("#include <quiesce/task.hpp>\n", "is of layer coro, but exec"),
        "src/testing/kit.cpp": ('#include "exec/worker.hpp"\n', "is of layer exec, but testing"),
        "src/odd/file.cpp": ("", "no layer has this folder"),
        "include/quiesce/mystery.hpp": ("", "a public header that no layer lists"),
        "include/quiesce/error.hpp": ("#include <iostream>\n", "costs every user's build"),
        "include/quiesce/panic.hpp": ("#include <quiesce/gone.hpp>\n", "does not exist"),
        "examples/a/main.cpp": ("#include <quiesce/detail/kernel/word.hpp>\n", "is not public"),
        "tools/a/main.cpp": ('#include "exec/worker.hpp"\n', "is not public"),
        "bench/a_bench.cpp": ("#include <quiesce/detail/kernel/word.hpp>\n", "is not public"),
    }
    wrong = []
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)

        def write(name, text):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text, encoding="utf-8")

        for name, text in clean.items():
            write(name, text)
        _, complaints = check_tree(root)
        wrong += [f"a clean tree: {complaint}" for complaint in complaints]
        for name, (text, expected) in planted.items():
            write(name, text)
            _, complaints = check_tree(root)
            if len(complaints) != 1 or expected not in complaints[0]:
                wrong.append(f"{name}: expected '{expected}', got {complaints}")
            (root / name).unlink()
    for line in wrong:
        print(f"self-test: {line}")
    if not wrong:
        print(f"self-test: {len(planted)} planted violations found")
    return 1 if wrong else 0


def main(arguments):
    if arguments[:1] == ["--self-test"]:
        return self_test()
    root = Path(arguments[0]) if arguments else Path(__file__).resolve().parent.parent
    count, complaints = check_tree(root)
    if count == 0:
        complaints = [f"{root} has no C++ files"]
    for complaint in complaints:
        print(complaint)
    print(f"{len(complaints)} violations" if complaints else f"{count} files keep to their layers")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
