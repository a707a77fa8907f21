"""Medians, spreads, ratios, and whether goals are met."""
import statistics
from dataclasses import dataclass, field

from . import workloads


@dataclass
class Figure:
    """What one contender reached in one row."""
    samples: list = field(default_factory=list)
    cpu_s: list = field(default_factory=list)

    @property
    def median(self):
        return statistics.median(self.samples)

    @property
    def mad(self):
        """Median absolute deviation."""
        return statistics.median(abs(x - self.median) for x in self.samples)

    def as_json(self):
        return {"median": self.median, "mad": self.mad, "min": min(self.samples), "max": max(self.samples),
                "samples": self.samples, "process_cpu_s": self.cpu_s}


@dataclass(frozen=True)
class Verdict:
    goal: str
    reached: str
    ratio: float
    is_met: bool

    def as_json(self):
        return {"goal": self.goal, "reached": self.reached, "ratio": self.ratio, "met": self.is_met}


def best_peer(row, figures):
    """The name of the peer that did best, or None."""
    peers = [name for name in workloads.PEERS if name in figures]
    pick = max if row.more_is_better else min
    return pick(peers, key=lambda name: figures[name].median) if peers else None


def goal_text(row, goal):
    sign = "≥" if row.more_is_better else "≤"
    if goal.of == "absolute":
        return f"{sign} {goal.factor:g} {row.unit}"
    of = "best" if goal.of == "best" else workloads.TITLES[goal.of]
    clang = " (clang)" if goal.whose == workloads.OURS_CLANG else ""
    return f"{sign} {goal.factor:g} × {of}{clang}"


def verdict(row, goal, figures):
    """None when what it speaks of was not measured."""
    mine = figures.get(goal.whose)
    of = best_peer(row, figures) if goal.of == "best" else goal.of
    if mine is None or (goal.of != "absolute" and of not in figures):
        return None
    against = 1.0 if goal.of == "absolute" else figures[of].median
    ratio = mine.median / against
    reached = f"{ratio:.4g} {row.unit}" if goal.of == "absolute" else f"{ratio:.2f} × {workloads.TITLES[of]}"
    is_met = ratio >= goal.factor if row.more_is_better else ratio <= goal.factor
    return Verdict(goal_text(row, goal), reached, ratio, is_met)


def ratio_to_best(row, figures, whose=workloads.OURS):
    best = best_peer(row, figures)
    if best is None or whose not in figures:
        return None
    return figures[whose].median / figures[best].median
