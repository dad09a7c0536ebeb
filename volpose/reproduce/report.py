"""A table as text, the paper's numbers beside ours."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

from volpose.reproduce.intervals import FEWEST, LEVEL, Interval, verdict
from volpose.reproduce.learned import FALLEN
from volpose.reproduce.summary import BUDGETS, Finding, Line, Summary
from volpose.reproduce.tables import TABLES

NOTHING = "-"
ALWAYS = ("samples", "time")  # what all rows of a table are to have
SIGNS = {"holds": "yes", "does not hold": "no", "cannot tell": "?"}


def report(summary: Summary) -> str:
    """The rows, then what the paper concludes from them and whether it holds.

    MPJPE in mm; the intervals are of the mean over seeds. "Equal time" gives every row the CPU
    time of one of them. What only some rows have, a longer training, is shown as soon as it
    decides about a claim.
    """
    head = [f"{summary.title}", _where(summary)]
    shown = [b for b in BUDGETS if b in ALWAYS or _shown(summary.findings, b)]
    above, _, below = zip(*(BUDGETS[budget].rpartition(" ") for budget in shown), strict=True)
    rows = [("", "", *above, "", "million", "training")]
    rows += [("", "paper", *below, "seeds", "weights", "s")]
    rows += [_row(line, shown, summary.seconds) for line in summary.lines]
    parts = ["\n".join(head), aligned(rows), *_actions(summary)]
    named = (("the paper says", summary.findings), ("difference by action", summary.actions))
    for name, findings in named:
        for budget in BUDGETS:
            if _shown(findings, budget):
                asked = [f for f in findings if budget in ALWAYS or f.differences[budget]]
                parts.append(_findings(f"{name}, {BUDGETS[budget]}", asked, budget))
    parts.append(_rule(summary))
    return "\n\n".join(parts)


def _where(summary: Summary) -> str:
    reading = {"peak": "between the voxels", "argmax": "by argmax, as in the paper"}
    words = reading.get(summary.decoder, f"by {summary.decoder}")
    return f"{summary.preset} preset, {summary.setting} studio; MPJPE mm, volumes read {words}"


def _shown(findings: Sequence[Finding], budget: str) -> bool:
    """Equal samples always, the others as soon as there is a pair."""
    known = budget == ALWAYS[0] or any(f.differences[budget] for f in findings)
    return bool(findings) and known


def _actions(summary: Summary) -> list[str]:
    """Where the paper has a table of actions: its errors and ours, of both networks."""
    parts = []
    for budget in BUDGETS:
        if not _shown(summary.actions, budget):
            continue
        both = summary.lines[:2]
        top = (f"error by action, {BUDGETS[budget]}", *(f"{x.label}, paper" for x in both))
        rows = [(*top, *(f"{x.label}, ours" for x in both))]
        for action, papers in summary.paper_actions.items():
            ours = (_text(x.action_error(budget, action)) for x in both)
            rows.append((action, *(f"{mm:.2f}" for mm in papers), *ours))
        parts.append(aligned(rows))
    return parts


def _findings(title: str, findings: Sequence[Finding], budget: str) -> str:
    """Differences and verdicts; the column "late" is there if a run is late."""
    rows = [(title, "paper mm", "ours mm", "pairs", "", "late")]
    rows += [(*_verdict(f, budget), late_cell(f.differences[budget])) for f in findings]
    return aligned(without_empty(rows))


def without_empty(rows: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Rows without their last column if it has nothing but its head."""
    return rows if any(row[-1] for row in rows[1:]) else [row[:-1] for row in rows]


def late_cell(difference: Interval | None) -> str:
    """Such as ``0/4``: runs of the better and of the worse side that are late, or ""."""
    return "/".join(map(str, difference.late)) if difference and any(difference.late) else ""


def short_verdict(difference: Interval | None, kept: bool = False) -> str:
    """A verdict as "yes", "no" or "?", "-" without runs.

    Args:
        difference: whose verdict.
        kept: it is left if all claims are judged together, and gets a star.

    Returns:
        With "!" at the end if a run is late: then it is about training that fails.
    """
    if difference is None:
        return NOTHING
    sign = SIGNS[verdict(difference)]
    return f"{sign}{'*' if kept else ''}{'!' if any(difference.late) else ''}"


def late_rows(summary: Summary) -> str:
    """Rows with late runs, in a sentence for each budget; "" without any."""
    told = []
    for budget in BUDGETS:
        rows = [
            f"{line.label} {len(line.late[budget])} of {len(line.errors[budget])} runs"
            for line in summary.lines
            if line.late[budget]
        ]
        if rows:
            words = (
                f"{BUDGETS[budget]}: late, so above {summary.begins:.1f} mm or {FALLEN:g} times "
                f"the row's best: {', '.join(rows)}; with them a verdict is about training that "
                "fails"
            )
            told.append(textwrap.fill(words, 88, subsequent_indent="    "))
    return "\n".join(told)


def _rule(summary: Summary) -> str:
    """When there is a verdict, and how many are left if the claims are judged together."""
    lines = [
        f"± is a {LEVEL:.0%} interval; a verdict needs one that leaves 0 out, and {FEWEST} pairs"
    ]
    if summary.seconds:
        lines.append("training s: what a step costs, timed in turn on one machine, times the steps")
    if late := late_rows(summary):
        lines += [late, "column late: how many of the better and of the worse row"]
    if _shown(summary.findings, "long"):
        lines.append(f"{BUDGETS['long']}: only some rows; `volpose reproduce questions` makes them")
    for budget in BUDGETS:
        asked = [f for f in summary.findings if f.differences[budget]]
        made = sum(f.verdict(budget) != "cannot tell" for f in asked)
        if made and len(asked) > 1:  # one alone needs no correction
            lines.append(
                f"{BUDGETS[budget]}: {sum(summary.surviving(budget))} of {made} verdicts are left "
                f"if all {len(asked)} claims are judged together (Holm)"
            )
    return "\n".join(lines)


def readings(readings: Mapping[str, Summary], budget: str = "samples") -> str:
    """The claims of a table side by side: other readings of the same runs, or other runs.

    Args:
        readings: name of a reading -> of `volpose.reproduce.summary.summarize`, all of one table.
        budget: one of `volpose.reproduce.summary.BUDGETS`.

    Returns:
        A line for each claim: which row is to be below which, and for each reading the difference
        in mm, the pairs, and `short_verdict`.
    """
    first = next(iter(readings.values()))
    label = {line.row.name: line.label for line in first.lines}
    rows = [("", *(x for name in readings for x in (name, "pairs", "")))]
    for claims in zip(*(summary.findings for summary in readings.values()), strict=True):
        better, worse = (label[n] for n in (claims[0].claim.better, claims[0].claim.worse))
        ours = [f.differences[budget] for f in claims]
        shown = [(*difference_cells(won)[:2], short_verdict(won)) for won in ours]
        rows.append((f"{better} below {worse}", *(x for cell in shown for x in cell)))
    return aligned(rows)


def gaps(summary: Summary) -> str:
    """What a table still lacks, in a few lines: rows with no runs or fewer seeds than others.

    It is what a chapter prints, so that a table that is not finished says so. Each budget counts by
    itself: equal time may have been given fewer seeds than equal samples. A row that belongs to
    another table as well may have more seeds, for that one's sake; nothing is missing then.
    """
    seeds = {budget: _seeds(summary, budget) for budget in ALWAYS}
    most = {budget: most_seeds(summary, budget) for budget in ALWAYS}
    shared = _shared(summary)
    where = f"{summary.setting} studio"
    if not any(most.values()):
        return f"{where}: no runs yet"
    lacking = [
        f"{label} {have} of {most[budget]} (equal {budget})"
        for budget in ALWAYS
        for label, have in seeds[budget].items()
        if have < most[budget]
    ]
    lacking += [f"all rows (equal {budget})" for budget in ALWAYS if not most[budget]]
    if lacking:
        words = f"{where}: seeds missing: {', '.join(lacking)}"
    elif len(set(most.values())) == 1:
        words = f"{where}: all rows, {_counted(most['samples'])} each, nothing missing"
    else:
        counts = (f"{_counted(count)} (equal {budget})" for budget, count in most.items())
        words = f"{where}: all rows, each {' and '.join(counts)}"
    more = [
        f"{label} {_counted(have)}"
        for label, have in seeds["samples"].items()
        if label in shared and have > most["samples"]
    ]
    words += f"; for another table {', '.join(more)}" if more else ""
    return textwrap.fill(words, 88, subsequent_indent="    ")


def most_seeds(summary: Summary, budget: str = ALWAYS[0]) -> int:
    """Seeds of the row that has most, of those that are in no other table.

    Args:
        summary: of a table.
        budget: "samples" or "time".
    """
    own = _seeds(summary, budget)
    return max(count for label, count in own.items() if label not in _shared(summary))


def _shared(summary: Summary) -> set[str]:
    """Labels of the rows that are in other tables, too."""
    tables = {x.label: sum(x.row in t.rows for t in TABLES.values()) for x in summary.lines}
    return {label for label, count in tables.items() if count > 1}


def _seeds(summary: Summary, budget: str) -> dict[str, int]:
    """Label of a row -> seeds; in equal time without the clock, which has no runs of its own."""
    own = (x for x in summary.lines if budget == "samples" or x.row.name != summary.clock)
    return {line.label: len(line.errors[budget]) for line in own}


def _counted(seeds: int) -> str:
    return "1 seed" if seeds == 1 else f"{seeds} seeds"


def _row(line: Line, budgets: Sequence[str], trainings: dict[str, float]) -> tuple[str, ...]:
    errors = [line.error(budget) for budget in budgets]
    seeds = "/".join(str(len(line.errors[budget])) for budget in budgets)
    paper = NOTHING if line.row.paper_mm is None else f"{line.row.paper_mm:.2f}"
    count = NOTHING if line.parameters is None else f"{line.parameters / 1e6:.2f}"
    seconds = trainings.get(line.row.name)
    spent = NOTHING if seconds is None else f"{seconds:.0f}"
    return (line.label, paper, *map(_text, errors), seeds, count, spent)


def _verdict(finding: Finding, budget: str) -> tuple[str, ...]:
    paper = NOTHING if finding.paper_mm is None else f"{finding.paper_mm:+.2f}"
    return (finding.claim.words, paper, *difference_cells(finding.differences[budget]))


def difference_cells(difference: Interval | None) -> tuple[str, str, str]:
    """A difference with its interval, its pairs, and its verdict, as cells of a table."""
    if difference is None:
        return NOTHING, NOTHING, NOTHING
    return difference.signed, str(difference.count), verdict(difference)


def _text(interval: Interval | None) -> str:
    return NOTHING if interval is None else str(interval)


def aligned(rows: list[tuple[str, ...]]) -> str:
    """Rows of cells as lines of text, the first column to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join([r[0].ljust(widths[0]), *map(str.rjust, r[1:], widths[1:])]) for r in rows]
    return "\n".join(line.rstrip() for line in lines)
