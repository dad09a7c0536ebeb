"""Tables 1 to 3 of the paper on the studio, with seeds and intervals."""

from __future__ import annotations

from pathlib import Path

from volpose.reproduce.costs import measure_costs
from volpose.reproduce.experiment import RMSPROP, Experiment
from volpose.reproduce.measure import measure, measure_lookup, missing
from volpose.reproduce.plan import (
    QUESTIONED,
    equal_time_runs,
    question_runs,
    rate_runs,
    row_runs,
)
from volpose.reproduce.tables import COARSE_TO_FINE, TABLES

QUESTIONS = "questions"


def lacking(name: str, preset: str, setting: str, seeds: int, results: Path) -> list[Experiment]:
    """The runs that `reproduce` makes next; those that follow from a rate come once it is known.

    Args:
        name, preset, setting, seeds, results: as in `reproduce`.
    """
    rows = [row.name for row in TABLES[name].rows] if name in TABLES else list(QUESTIONED)
    planned = rate_runs(preset, setting, rows, results)
    planned += row_runs(preset, setting, rows, seeds, results)
    if name == QUESTIONS:
        planned += rate_runs(preset, setting, [COARSE_TO_FINE.name], results, RMSPROP)
        planned += question_runs(preset, setting, seeds, results)
    else:
        planned += equal_time_runs(preset, setting, name, seeds, results)
    return list(dict.fromkeys(missing(planned, results)))


def reproduce(
    name: str, preset: str, setting: str, seeds: int, results: Path, runs: Path, jobs: int
) -> None:
    """Make every result of a table that is missing.

    Args:
        name: a key of `TABLES`, or "questions": what the paper leaves open.
        preset: "laptop" or "paper".
        setting: variation of the studio, "default" or "hard".
        seeds: runs of each row, at least 1.
        results: folder of the results, one JSON a run.
        runs: folder of data, checkpoints and weights.
        jobs: processes side by side.

    Paper: Sec. 4.4, Tables 1 to 3.
    """
    measure_lookup(preset, setting, results, runs)  # says which trainings have hardly learned
    if name in TABLES:
        measure_costs(preset, results)  # how long the runs of equal time are
    while todo := lacking(name, preset, setting, seeds, results):
        measure(todo, results, runs, jobs)
