"""The rows of the comparison: what is measured, who takes part, and the goals. Sizes are in bench/README.md."""
from dataclasses import dataclass

OURS = "quiesce"
OURS_CLANG = "quiesce-clang"
PEERS = ["tokio", "go", "asio", "tbb", "stl"]
TITLES = {OURS: "quiesce", OURS_CLANG: "quiesce clang", "tokio": "Tokio", "go": "Go", "asio": "Asio", "tbb": "oneTBB",
          "stl": "libstdc++"}

SUSPENDING = ["tokio", "go", "asio"]  # oneTBB's tasks run to their end
WITH_TASKS = [*SUSPENDING, "tbb"]
WITH_ALGORITHMS = ["tbb", "stl"]


@dataclass(frozen=True)
class Goal:
    """At most (at least, where more is better) `factor` times what `of` reaches: a peer, "best" of them, or the unit itself."""
    factor: float
    of: str
    whose: str = OURS


@dataclass(frozen=True)
class Row:
    workload: str
    metric: str
    unit: str
    title: str
    goals: tuple
    peers: tuple
    ours: bool = True
    more_is_better: bool = False
    note: str = ""


def row(workload, metric, unit, title, *goals, peers=tuple(SUSPENDING), **more):
    return Row(workload, metric, unit, title, goals, tuple(peers), **more)


ROWS = [
    row("W1", "time", "ns", "spawn + join", Goal(0.4, "best"), Goal(0.4, "tokio"), peers=WITH_TASKS),
    row("W1-fork", "time", "ns", "fork + join", Goal(1.0, "tbb"), peers=["tbb"]),
    row("W2", "time", "ns", "fan-out of 1M, a child", Goal(0.4, "best"), peers=WITH_TASKS),
    row("W2b", "memory", "bytes", "a suspended task", Goal(240, "absolute"), Goal(216, "absolute", OURS_CLANG),
        Goal(1.0, "tokio", OURS_CLANG)),
    row("W2b", "release", "ns", "release and join", Goal(1.0, "best")),
    row("W3-fib", "time", "ms", "fib(32), no cutoff", Goal(1.0, "tbb"), peers=["tokio", "go", "tbb"],
        note="quiesce and oneTBB fork branches, Tokio and Go spawn tasks; Asio would take half a minute"),
    row("W3-skynet", "time", "ms", "skynet, 1M leaves", Goal(1.0, "tbb"), peers=["tokio", "go", "tbb"]),
    row("W3-spawn-fib", "time", "ms", "fib(27), a task each", Goal(1.0, "best")),
    row("W3-spawn-skynet", "time", "ms", "skynet, 100k tasks", Goal(1.0, "best")),
    row("W4", "time", "ns", "ping-pong, a round trip", Goal(0.5, "tokio")),
    row("W5", "time", "ns", "mpsc 4:1, a message", Goal(0.6, "go")),
    row("W6", "time", "ns", "yield", Goal(0.4, "best")),
    row("W7-cancel", "time", "ns", "timer, create + cancel", Goal(0.2, "go")),
    row("W7-bulk", "time", "ns", "1M live timers, cancelled", Goal(0.6, "best")),
    row("W7-sleep", "time", "ms", "100k sleepers of 10 ms", Goal(40, "absolute")),
    row("W8", "time", "ns", "mutex, a lock", Goal(0.6, "go")),
    row("W9", "time", "ns", "cancel storm, a task", Goal(0.4, "best")),
    row("W10", "rate", "kreq/s", "TCP echo", Goal(1.2, "best"), ours=False, more_is_better=True,
        note="quiesce has no network yet: peers only"),
    row("P1", "time", "ns", "for_each, an element", Goal(1.0, "tbb"), peers=WITH_ALGORITHMS),
    row("P2", "time", "ns", "transform_reduce, an element", Goal(1.0, "tbb"), peers=WITH_ALGORITHMS),
    row("P3", "time", "ns", "inclusive_scan, an element", Goal(1.0, "tbb"), peers=WITH_ALGORITHMS),
    row("P4", "time", "ns", "sort, an element", Goal(1.0, "tbb"), peers=WITH_ALGORITHMS),
]


class UnknownWorkload(Exception):
    pass


def names():
    return list(dict.fromkeys(r.workload for r in ROWS))


def names_of(row):
    """By which it may be asked for: W3-spawn-fib, W3-spawn, W3, W."""
    name = row.workload.lower()
    parts = name.split("-")
    return {"-".join(parts[:i + 1]) for i in range(len(parts))} | {name[0]}


def chosen(asked):
    """The rows of the named workloads, all without a name; `W3` is W3-fib and all others that begin so, `P` is P1 to P4."""
    if not asked:
        return list(ROWS)
    rows = []
    for name in asked:
        found = [r for r in ROWS if name.lower() in names_of(r)]
        if not found:
            raise UnknownWorkload(f"there is no workload '{name}'; there are {', '.join(names())}")
        rows += [r for r in found if r not in rows]
    return sorted(rows, key=ROWS.index)


def takes_part(contender, row):
    return row.ours if contender in (OURS, OURS_CLANG) else contender in row.peers
