"""A table as text, the paper's numbers beside ours."""

from __future__ import annotations

import textwrap

from volpose.reproduce.intervals import LEVEL, Interval
from volpose.reproduce.summary import BUDGETS, Finding, Line, Summary

NOTHING = "-"


def report(summary: Summary) -> str:
    """The rows, then what the paper concludes from them and whether it holds.

    MPJPE in mm; the intervals are of the mean over seeds. "Equal time" gives every row the CPU
    time of one of them.
    """
    head = [f"{summary.title}", f"{summary.preset} preset, {summary.setting} studio; MPJPE mm"]
    rows = [("", "paper", "equal samples", "equal time", "seeds", "parameters", "CPU s")]
    rows += [_row(line) for line in summary.lines]
    parts = ["\n".join(head), aligned(rows)]
    for name, findings in (("the paper says", summary.findings), ("by action", summary.actions)):
        if findings:
            top = (name, "paper mm", "equal samples", "", "equal time", "")
            parts.append(aligned([top, *(_verdicts(f) for f in findings)]))
    parts.append(f"± is a {LEVEL:.0%} interval; a difference that leaves 0 out has a verdict")
    return "\n\n".join(parts)


def gaps(summary: Summary) -> str:
    """What a table still lacks, in a few lines: rows with no runs or fewer seeds than others.

    It is what a chapter prints, so that a table that is not finished says so. Each budget counts by
    itself: equal time may have been given fewer seeds than equal samples.
    """
    seeds = {budget: _seeds(summary, budget) for budget in BUDGETS}
    most = {budget: max(have.values()) for budget, have in seeds.items()}
    where = f"{summary.setting} studio"
    if not any(most.values()):
        return f"{where}: no runs yet"
    lacking = [
        f"{label} {have} of {most[budget]} (equal {budget})"
        for budget in BUDGETS
        for label, have in seeds[budget].items()
        if have < most[budget]
    ]
    lacking += [f"all rows (equal {budget})" for budget in BUDGETS if not most[budget]]
    if lacking:
        words = f"{where}: seeds missing: {', '.join(lacking)}"
    elif len(set(most.values())) == 1:
        words = f"{where}: all rows, {_counted(most['samples'])} each, nothing missing"
    else:
        counts = (f"{_counted(count)} (equal {budget})" for budget, count in most.items())
        words = f"{where}: all rows, each {' and '.join(counts)}"
    return textwrap.fill(words, 88, subsequent_indent="    ")


def _seeds(summary: Summary, budget: str) -> dict[str, int]:
    """Label of a row -> seeds; in equal time without the clock, which has no runs of its own."""
    own = (x for x in summary.lines if budget == "samples" or x.row.name != summary.clock)
    return {line.label: len(line.errors[budget]) for line in own}


def _counted(seeds: int) -> str:
    return "1 seed" if seeds == 1 else f"{seeds} seeds"


def _row(line: Line) -> tuple[str, ...]:
    errors = [line.error(budget) for budget in BUDGETS]
    seeds = "/".join(str(len(line.errors[budget])) for budget in BUDGETS)
    paper = NOTHING if line.row.paper_mm is None else f"{line.row.paper_mm:.2f}"
    count = NOTHING if line.parameters is None else f"{line.parameters / 1e6:.2f} M"
    seconds = line.cpu_seconds.get("samples")
    spent = NOTHING if seconds is None else f"{seconds:.0f}"
    return (line.label, paper, *map(_text, errors), seeds, count, spent)


def _verdicts(finding: Finding) -> tuple[str, ...]:
    paper = NOTHING if finding.paper_mm is None else f"{finding.paper_mm:+.2f}"
    cells = [finding.claim.words, paper]
    for budget in BUDGETS:
        difference = finding.differences[budget]
        sign = "+" if difference is not None and difference.mean >= 0 else ""
        cells += [sign + _text(difference), finding.verdict(budget) if difference else ""]
    return tuple(cells)


def _text(interval: Interval | None) -> str:
    return NOTHING if interval is None else str(interval)


def aligned(rows: list[tuple[str, ...]]) -> str:
    """Rows of cells as lines of text, the first column to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join([r[0].ljust(widths[0]), *map(str.rjust, r[1:], widths[1:])]) for r in rows]
    return "\n".join(line.rstrip() for line in lines)
