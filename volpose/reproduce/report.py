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

    It is what a chapter prints, so that a table that is not finished says so.
    """
    seeds = {line.label: [len(line.errors[budget]) for budget in BUDGETS] for line in summary.lines}
    most = max(max(counts) for counts in seeds.values())
    where = f"{summary.setting} studio"
    if most == 0:
        return f"{where}: no runs yet"
    lacking = [
        f"{label} {have} of {most} (equal {budget})"
        for label, counts in seeds.items()
        for budget, have in zip(BUDGETS, counts, strict=True)
        if have < most
    ]
    if not lacking:
        return f"{where}: all rows, {most} seed{'s' * (most > 1)} each, nothing missing"
    words = f"{where}: seeds missing: {', '.join(lacking)}"
    return textwrap.fill(words, 88, subsequent_indent="    ")


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
