"""The table: aligned text, or Markdown for the README."""
from . import workloads
from .statistics_of import ratio_to_best, verdict


def number(value):
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def cell(figures, contender, markdown):
    figure = figures.get(contender)
    if figure is None:
        return "–"
    spread = f"±{100 * figure.mad / figure.median:.0f}%" if figure.median else ""
    return number(figure.median) if markdown else f"{number(figure.median)} {spread}"


def header(contenders):
    shown = [workloads.TITLES[name] for name in contenders]
    return ["workload", "", "unit", *shown, "× best", "goal", "now", "met"]


def lines(measured, contenders, markdown=False):
    """One for each goal of each row; the first has the figures."""
    for row, figures in measured.items():
        if not figures:
            continue
        ratio = ratio_to_best(row, figures)
        told = [row.workload, row.title, row.unit, *(cell(figures, name, markdown) for name in contenders),
                "–" if ratio is None else f"{ratio:.2f}"]
        for i, goal in enumerate(row.goals):
            found = verdict(row, goal, figures)
            from_goal = [*goal_cells(row, goal, found)]
            yield (told if i == 0 else [""] * len(told)) + from_goal


def goal_cells(row, goal, found):
    from .statistics_of import goal_text
    if found is None:
        return goal_text(row, goal), "–", "–"
    return found.goal, found.reached, "yes" if found.is_met else "no"


def notes(measured):
    told = [f"{row.workload}: {row.note}." for row in measured if row.note and measured[row]]
    return [*told, "Medians; × best is quiesce (g++) divided by the best peer of the row."]


def text(measured, contenders):
    rows = [header(contenders), *lines(measured, contenders)]
    widths = [max(len(line[i]) for line in rows) for i in range(len(rows[0]))]
    left = {0, 1, 2, len(rows[0]) - 3, len(rows[0]) - 2, len(rows[0]) - 1}
    out = []
    for line in rows:
        out.append("  ".join(c.ljust(w) if i in left else c.rjust(w) for i, (c, w) in enumerate(zip(line, widths))).rstrip())
    out.insert(1, "─" * max(map(len, out)))
    out += ["", *notes(measured), "± is the median absolute deviation of the rounds."]
    return "\n".join(out)


def markdown(measured, contenders):
    rows = [header(contenders), *lines(measured, contenders, markdown=True)]
    out = ["| " + " | ".join(line) + " |" for line in rows]
    out.insert(1, "|" + "---|" * 3 + "--:|" * (len(contenders) + 1) + "---|" * 3)
    return "\n".join([*out, "", *notes(measured)])
