"""From runs to a table: means, intervals, differences and verdicts, beside the paper's numbers."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

from volpose.recipe import PRESETS
from volpose.reproduce.costs import step_seconds
from volpose.reproduce.experiment import LONG, SAMPLES
from volpose.reproduce.intervals import Interval, paired, surviving, verdict
from volpose.reproduce.learned import late, learning_begins
from volpose.reproduce.records import METRIC, load
from volpose.reproduce.tables import ROWS, TABLES, Claim, Row, at_depth, file_name

DECODER = "peak"  # with which `volpose.reproduce.measure.judged` evaluates
BUDGETS = {  # what is kept equal -> how tables call it
    "samples": "equal samples",
    "time": "equal time",
    "long": f"{LONG} x samples",
}


def _over(errors: dict[int, float]) -> Interval | None:
    return Interval.of(list(errors.values())) if errors else None


@dataclass(frozen=True)
class Line:
    """A row of a table as we found it.

    Attributes:
        row: of the paper.
        label: its name with the preset's depths.
        errors: budget -> seed -> MPJPE, mm, mean of frames.
        parameters: of the network; None without runs.
        late: budget -> seeds of `volpose.reproduce.learned.late`, in the usual reading.
        actions: budget -> action -> seed -> MPJPE, mm, where the paper has a table of actions.
    """

    row: Row
    label: str
    errors: dict[str, dict[int, float]]
    parameters: int | None
    late: dict[str, list[int]]
    actions: dict[str, dict[str, dict[int, float]]]

    def error(self, budget: str) -> Interval | None:
        """MPJPE in mm over the seeds."""
        return _over(self.errors[budget])

    def action_error(self, budget: str, action: str) -> Interval | None:
        """MPJPE of an action in mm over the seeds."""
        return _over(self.actions[budget][action])


@dataclass(frozen=True)
class Finding:
    """A claim of the paper, the difference it says, and ours.

    Attributes:
        claim: of the paper, in words that have the preset's depths as the rows' labels do.
        paper_mm: worse - better in the paper; None where it gives no numbers.
        differences: budget -> ours with its interval, paired by seed; None without runs.
    """

    claim: Claim
    paper_mm: float | None
    differences: dict[str, Interval | None]

    def verdict(self, budget: str) -> str:
        """As `volpose.reproduce.intervals.verdict`."""
        return verdict(self.differences[budget])


@dataclass(frozen=True)
class Summary:
    """A table on one setting of the studio.

    Attributes:
        title: of the table.
        preset, setting: what was run.
        decoder: how volumes were read.
        lines: rows.
        clock: name of the row whose runs with equal samples are those in equal time, too.
        findings: claims.
        actions: findings by action, where the paper has a table of actions.
        paper_actions: action -> the paper's MPJPE of the first two lines, in that case.
        begins: of `volpose.reproduce.learned.learning_begins`.
        seconds: row -> time of a training with equal samples: what a step costs, all rows timed in
            turn on one machine, times the steps; empty as long as nobody has timed them.
    """

    title: str
    preset: str
    setting: str
    decoder: str
    lines: tuple[Line, ...]
    clock: str
    findings: tuple[Finding, ...]
    actions: tuple[Finding, ...]
    paper_actions: dict[str, tuple[float, float]]
    begins: float | None
    seconds: dict[str, float]

    def surviving(self, budget: str) -> list[bool]:
        """Which claims keep their verdict after `volpose.reproduce.intervals.surviving`."""
        return surviving([finding.differences[budget] for finding in self.findings])


def summarize(
    table: str,
    preset: str,
    setting: str,
    results: Path,
    decoder: str = DECODER,
    without: Collection[int] = (),
    change: str = "",
) -> Summary:
    """What the results so far say of a table.

    Args:
        table: a key of `TABLES`.
        preset, setting, results: as in `volpose.reproduce.reproduce`.
        decoder: of the volumes, one of `volpose.reproduce.dissect.COMPARED`; coordinates have none,
            and stay as they are. Actions are known for the usual one only.
        without: seeds that are left out.
        change: of all runs, one of `volpose.reproduce.experiment.CHANGES`.

    Raises:
        ValueError: a file is not a result.

    Paper: Tables 1 to 3; its decoder is "argmax".
    """
    plan, found = TABLES[table], load(preset, setting, results)
    runs = {n: r for n, r in found.items() if r["card"]["recipe"]["seed"] not in without}
    named = [row.name for row in plan.rows]
    named += [n for c in plan.claims for n in (c.better, c.worse)]
    begins = learning_begins(preset, setting, results)
    papers = (plan.actions or {}) if decoder == DECODER else {}
    known = {
        n: _line(ROWS[n], preset, runs, plan.clock, decoder, begins, papers, change)
        for n in dict.fromkeys(named)
    }
    depth = PRESETS[preset].network.z_bins[-1]
    return Summary(
        title=plan.title,
        preset=preset,
        setting=setting,
        decoder=decoder,
        lines=tuple(known[row.name] for row in plan.rows),
        clock=plan.clock,
        findings=tuple(_finding(claim, known, depth) for claim in plan.claims),
        actions=_by_action(papers, *(known[row.name] for row in plan.rows[:2])),
        paper_actions=papers,
        begins=begins,
        seconds=_training_seconds(preset, results),
    )


def _training_seconds(preset: str, results: Path) -> dict[str, float]:
    steps = SAMPLES[preset] / PRESETS[preset].batch_size
    return {row: steps * each for row, each in (step_seconds(preset, results) or {}).items()}


def runs_of(
    row: str,
    preset: str,
    runs: dict[str, dict],
    budget: str = "samples",
    clock: str = "",
    change: str = "",
) -> dict[int, dict]:
    """Seed -> result of the usual runs of a row.

    Args:
        row: its name.
        preset: whose depths the runs have.
        runs: of `load`.
        budget: one of `BUDGETS`.
        clock: the row of which "samples" and "time" are the same runs.
        change: as in `summarize`.
    """
    parts = [ROWS[row].label(PRESETS[preset].network.z_bins[-1])]
    parts += ["equal time"] if budget == "time" and row != clock else []
    parts += [change] if change else []
    parts += [f"{LONG * SAMPLES[preset]} samples"] if budget == "long" else []
    stem = file_name(" ".join([*parts, "seed "]))
    return {
        int(name.removeprefix(stem)): result
        for name, result in runs.items()
        if name.startswith(stem) and name.removeprefix(stem).isdecimal()
    }


def error_of(result: dict, decoder: str = DECODER) -> float | None:
    """MPJPE of a result, mm, mean of frames; None if its volumes were not read that way.

    Args:
        result: of `load`.
        decoder: as in `summarize`.
    """
    if decoder == DECODER or result["card"]["recipe"]["network"]["kind"] == "coordinate":
        return result["mean_of_frames"][METRIC]
    return result.get("decoders", {}).get(decoder)


def _line(
    row: Row,
    preset: str,
    runs: dict[str, dict],
    clock: str,
    decoder: str,
    begins: float | None,
    actions: Collection[str],
    change: str,
) -> Line:
    by_budget = {b: runs_of(row.name, preset, runs, b, clock, change) for b in BUDGETS}
    errors = {
        budget: {
            seed: mm
            for seed, r in sorted(found.items())
            if (mm := error_of(r, decoder)) is not None
        }
        for budget, found in by_budget.items()
    }
    parameters = next((r["parameters"] for r in by_budget["samples"].values()), None)
    label = row.label(PRESETS[preset].network.z_bins[-1])
    usual = {b: {s: error_of(r) for s, r in found.items()} for b, found in by_budget.items()}
    by_action = {
        budget: {
            action: {s: r["actions"][action][METRIC] for s, r in sorted(found.items())}
            for action in actions
        }
        for budget, found in by_budget.items()
    }
    behind = {budget: late(found, begins) for budget, found in usual.items()}
    return Line(row, label, errors, parameters, behind, by_action)


def _finding(claim: Claim, lines: dict[str, Line], depth: int) -> Finding:
    better, worse = lines[claim.better], lines[claim.worse]
    numbers = better.row.paper_mm, worse.row.paper_mm
    paper = None if None in numbers else round(numbers[1] - numbers[0], 2)
    differences = {b: _difference(b, better, worse) for b in BUDGETS}
    return Finding(replace(claim, words=at_depth(claim.words, depth)), paper, differences)


def _difference(
    budget: str, better: Line, worse: Line, action: str | None = None
) -> Interval | None:
    """The second line minus the first, of all frames or of an action."""
    first, second = (
        x.actions[budget][action] if action else x.errors[budget] for x in (better, worse)
    )
    return paired(first, second, (better.late[budget], worse.late[budget]))


def _by_action(
    papers: dict[str, tuple[float, float]], worse: Line, better: Line
) -> tuple[Finding, ...]:
    """The first two rows, action by action: the second is to be better."""
    return tuple(
        Finding(
            Claim(better.row.name, worse.row.name, action),
            round(high - low, 2),
            {b: _difference(b, better, worse, action) for b in BUDGETS},
        )
        for action, (high, low) in papers.items()
    )
