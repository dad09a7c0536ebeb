"""Tables 1 to 3 of the paper on the studio, with seeds and intervals."""

from __future__ import annotations

from pathlib import Path

from volpose.reproduce.costs import costs_path, measure_costs
from volpose.reproduce.experiment import RMSPROP, Experiment
from volpose.reproduce.learned import lookup_path
from volpose.reproduce.measure import measure, measure_lookup, missing
from volpose.reproduce.plan import (
    MORE_SEEDS,
    QUESTIONED,
    begun,
    equal_time_runs,
    question_runs,
    rate_runs,
    row_runs,
)
from volpose.reproduce.tables import COARSE_TO_FINE, TABLES

QUESTIONS = "questions"


def lacking(
    name: str, preset: str, setting: str, seeds: int | None, results: Path
) -> list[Experiment]:
    """The runs that `reproduce` makes next; those that follow from a rate come once it is known.

    Args:
        name, preset, setting, seeds, results: as in `reproduce`.
    """
    planned = _planned(name, preset, setting, seeds or MORE_SEEDS, results)
    if seeds is None:
        planned = begun(planned, results)
    return list(dict.fromkeys(missing(planned, results)))


def lacking_files(name: str, preset: str, setting: str, results: Path) -> list[str]:
    """Which files that are no runs are missing, and what they say.

    Args:
        name, preset, setting, results: as in `reproduce`.
    """
    needed = {lookup_path(preset, setting, results): "which runs are late"}
    if name in TABLES:
        needed[costs_path(preset, results)] = "how long equal time is"
    return [
        f"{path.name}, which says {words}" for path, words in needed.items() if not path.exists()
    ]


def _planned(name: str, preset: str, setting: str, seeds: int, results: Path) -> list[Experiment]:
    rows = [row.name for row in TABLES[name].rows] if name in TABLES else list(QUESTIONED)
    planned = rate_runs(preset, setting, rows, results)
    planned += row_runs(preset, setting, rows, seeds, results)
    if name == QUESTIONS:
        planned += rate_runs(preset, setting, [COARSE_TO_FINE.name], results, RMSPROP)
        planned += question_runs(preset, setting, seeds, results)
    else:
        planned += equal_time_runs(preset, setting, name, seeds, results)
    return planned


def reproduce(
    name: str, preset: str, setting: str, seeds: int | None, results: Path, runs: Path, jobs: int
) -> None:
    """Make every result of a table that is missing.

    Args:
        name: a key of `TABLES`, or "questions": what the paper leaves open.
        preset: "laptop" or "paper".
        setting: variation of the studio, "default" or "hard".
        seeds: runs of each row, at least 1; None: three, and five of each kind of run that has a
            result with one of the later seeds.
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
