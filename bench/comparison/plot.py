"""An SVG of the table: for each row a dot for each contender, at its ratio to the best peer, and a mark where the goal is."""
import math
import textwrap
from html import escape

from . import workloads
from .statistics_of import best_peer

COLOURS = {workloads.OURS: "#c0392b", workloads.OURS_CLANG: "#e67e22", "tokio": "#2c7fb8", "go": "#27ae60",
           "asio": "#7f8c8d", "tbb": "#8e44ad", "stl": "#b7950b"}
LEFT, WIDTH, LINE, TOP = 260, 620, 26, 82
DECADES = (-2, 2)


def x_of(ratio):
    low, high = DECADES
    return LEFT + WIDTH * (min(max(math.log10(ratio), low), high) - low) / (high - low)


def goal_ratio(row, goal, figures, best):
    """Where the goal lies, as a ratio to the best peer."""
    if goal.of == "best":
        return goal.factor
    if goal.of == "absolute":
        return goal.factor / figures[best].median
    return goal.factor * figures[goal.of].median / figures[best].median if goal.of in figures else None


def row_marks(row, figures, y):
    best = best_peer(row, figures)
    label = escape(f"{row.workload}  {row.title}, {row.unit}")
    yield f'<text x="{LEFT - 12}" y="{y + 4}" text-anchor="end">{label}</text>'
    yield f'<line x1="{LEFT}" x2="{LEFT + WIDTH}" y1="{y}" y2="{y}" stroke="#eee"/>'
    if best is None:
        return
    for goal in row.goals:
        ratio = goal_ratio(row, goal, figures, best)
        if ratio:
            yield f'<line x1="{x_of(ratio):.1f}" x2="{x_of(ratio):.1f}" y1="{y - 9}" y2="{y + 9}" stroke="#000" stroke-width="2"/>'
    for name, figure in figures.items():
        ratio = figure.median / figures[best].median
        told = escape(f"{workloads.TITLES[name]}: {figure.median:.4g} {row.unit}")
        yield (f'<circle cx="{x_of(ratio):.1f}" cy="{y}" r="5" fill="{COLOURS[name]}" fill-opacity="0.85">'
               f"<title>{told}</title></circle>")


def svg(measured, contenders, title):
    rows = [(row, figures) for row, figures in measured.items() if figures]
    height = TOP + LINE * len(rows) + 40
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + 30}" height="{height}" font-family="sans-serif" font-size="12">',
           f'<rect width="100%" height="100%" fill="#fff"/>']
    out += [f'<text x="12" y="{18 + 16 * i}">{escape(line)}</text>' for i, line in enumerate(textwrap.wrap(title, 140)[:2])]
    for i, name in enumerate(contenders):
        out.append(f'<circle cx="{LEFT + 110 * i}" cy="56" r="5" fill="{COLOURS[name]}"/>'
                   f'<text x="{LEFT + 110 * i + 10}" y="60">{escape(workloads.TITLES[name])}</text>')
    bottom = TOP + LINE * len(rows)
    for decade in range(DECADES[0], DECADES[1] + 1):
        x = x_of(10.0 ** decade)
        out.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 8}" y2="{bottom}" stroke="#ccc"/>'
                   f'<text x="{x:.1f}" y="{bottom + 16}" text-anchor="middle">{10.0 ** decade:g}</text>')
    for i, (row, figures) in enumerate(rows):
        out += row_marks(row, figures, TOP + LINE * i + LINE // 2)
    out.append(f'<text x="{LEFT}" y="{bottom + 34}">ratio to the best peer; the bar is the goal (W10: more is better, else less)</text></svg>')
    return "\n".join(out) + "\n"
