"""Which runs a table needs: rates first, then all rows and seeds, then the runs of equal time."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from volpose.reproduce.costs import step_seconds
from volpose.reproduce.experiment import (
    DEEP,
    FAMILIES,
    HALF_RATE,
    LONG,
    PAPER_TRAINING,
    PAPER_TRAINING_RATE,
    RATES,
    RMSPROP,
    SAMPLES,
    Experiment,
    family,
    paper_training_samples,
)
from volpose.reproduce.intervals import FEWEST
from volpose.reproduce.learned import FALLEN
from volpose.reproduce.measure import result_of
from volpose.reproduce.records import DIVERGED, METRIC
from volpose.reproduce.tables import (
    APART,
    COARSE_TO_FINE,
    COORDINATE,
    DECOUPLED,
    HALF,
    NAIVE,
    QUARTER,
    STACKED,
    TABLES,
    WHOLE,
)

HALVES = (DECOUPLED.name, APART.name)
CURVES = (COORDINATE.name, HALF.name, WHOLE.name, COARSE_TO_FINE.name)  # over length, one seed
LONGER = (*CURVES, NAIVE.name)  # once more with `LONG` times the samples, all seeds
DEEPENED = (WHOLE, COARSE_TO_FINE, NAIVE)  # with thicker targets as well
QUESTIONED = (*LONGER, QUARTER.name, *HALVES)
CURVE_SHARES = (0.25, 0.5, 2.0)  # of the usual samples
LONGEST_SHARE = 8.0  # only of the row that costs least: where does its curve bend?
HALVES_SHARES = (0.5, 2.0)  # with all seeds, for what lies between the halves' rows is little
CURVE_IMAGES = (1_000, 3_000, 10_000)  # with all seeds
SEEDS = FEWEST  # of every kind of run
MORE_SEEDS = 5  # where the intervals of the first overlap


def rate_runs(
    preset: str, setting: str, rows: Iterable[str], results: Path, change: str = ""
) -> list[Experiment]:
    """The search for the learning rates of the families that rows belong to.

    A rate with which the loss does not stay finite is worse than any other.

    Where the best rate so far is the lowest or the highest, the search goes on beyond it: call
    this again when its runs are made, until nothing is missing.

    Args:
        preset, setting, results: as in `volpose.reproduce.reproduce`.
        rows: their names.
        change: one of `volpose.reproduce.experiment.CHANGES`, which needs rates of its own.
    """
    searched = [FAMILIES[name] for name in dict.fromkeys(map(family, rows))]
    return [run for row in searched for run in _search(preset, setting, row, results, change)]


def chosen_rate(
    preset: str, setting: str, row: str, results: Path, change: str = ""
) -> float | None:
    """The rate of the lowest error on the validation split; None until the search is done."""
    search = _search(preset, setting, FAMILIES[family(row)], results, change)
    errors = _errors(search, results)
    return min(errors, key=errors.get) if len(errors) == len(search) else None


def rate_errors(
    preset: str, setting: str, row: str, results: Path, change: str = ""
) -> dict[float, float]:
    """Rate -> MPJPE in mm on the validation split, of all rates tried for the row's family so far.

    One seed each: a rate that is ahead by less than seeds differ may be ahead by chance.
    """
    return _errors(_search(preset, setting, FAMILIES[family(row)], results, change), results)


def beside_cliff(preset: str, setting: str, row: str, results: Path) -> bool | None:
    """Whether the row's family trains at a rate beside which trainings fall; None until chosen.

    Falling is `volpose.reproduce.learned.FALLEN` times the error, at the next higher rate.
    """
    errors = rate_errors(preset, setting, row, results)
    best = chosen_rate(preset, setting, row, results)
    if best is None:
        return None
    return errors[min(rate for rate in errors if rate > best)] > FALLEN * errors[best]


def _search(preset: str, setting: str, row: str, results: Path, change: str) -> list[Experiment]:
    """The runs of a row with rising rates, those that are made and those that are needed."""
    rates = list(RATES[preset])
    while True:
        search = [Experiment(preset, setting, row, 0, rate, "rate", change) for rate in rates]
        errors = _errors(search, results)
        if len(errors) == len(search) and all(map(math.isinf, errors.values())):
            tried = ", ".join(f"{rate:g}" for rate in rates)
            raise ValueError(f"{row}: the loss stays finite with none of the rates {tried}")
        best = min(errors, key=errors.get, default=None)
        if len(errors) < len(search) or best not in (rates[0], rates[-1]):
            return search
        rates = [best / 2, *rates] if best == rates[0] else [*rates, best * 2]


def _errors(search: list[Experiment], results: Path) -> dict[float, float]:
    """Rate -> MPJPE in mm on the validation split, of the runs that are made."""
    made = {run.rate: result_of(run, results) for run in search}
    return {
        rate: math.inf if DIVERGED in r else r["mean_of_frames"][METRIC]
        for rate, r in made.items()
        if r is not None
    }


def row_runs(
    preset: str, setting: str, rows: Iterable[str], seeds: int, results: Path
) -> list[Experiment]:
    """All rows and seeds with equal samples; nothing of a family whose rate is not known."""
    rates = {row: chosen_rate(preset, setting, row, results) for row in rows}
    return [
        Experiment(preset, setting, row, seed, rate)
        for seed in range(seeds)
        for row, rate in rates.items()
        if rate is not None
    ]


def equal_time_runs(
    preset: str, setting: str, table: str, seeds: int, results: Path
) -> list[Experiment]:
    """The same rows, each as long as the table's clock row takes; none before costs are known.

    How many samples that is follows from `volpose.reproduce.costs`.
    """
    rows, clock = [row.name for row in TABLES[table].rows], TABLES[table].clock
    seconds = step_seconds(preset, results)
    if seconds is None:
        return []
    return [
        replace(
            run, budget="time", samples=round(SAMPLES[preset] * seconds[clock] / seconds[run.row])
        )
        for run in row_runs(preset, setting, rows, seeds, results)
        if run.row != clock
    ]


def long_runs(
    preset: str, setting: str, rows: Iterable[str], seeds: int, results: Path
) -> list[Experiment]:
    """Those of the rows that are trained once more, with `LONG` times the samples."""
    usual = row_runs(preset, setting, [row for row in rows if row in LONGER], seeds, results)
    return [longer for run in usual for longer in _as_long(run, [LONG])]


def half_rate_runs(preset: str, setting: str, seeds: int, results: Path) -> list[Experiment]:
    """Table 2 at half of all its rates, if all are chosen and one of them is beside a cliff."""
    rows = [row.name for row in STACKED]
    cliffs = [beside_cliff(preset, setting, row, results) for row in rows]
    if None in cliffs or not any(cliffs):
        return []
    usual = row_runs(preset, setting, rows, seeds, results)
    return [replace(run, change=HALF_RATE, rate=run.rate / 2) for run in usual]


def question_runs(preset: str, setting: str, seeds: int, results: Path) -> list[Experiment]:
    """What the paper does not show: other targets, rates and trainings, more and fewer pictures."""
    found = long_runs(preset, setting, LONGER, seeds, results)
    found += half_rate_runs(preset, setting, seeds, results)
    for run in row_runs(preset, setting, QUESTIONED, seeds, results):
        if run.row == COARSE_TO_FINE.name:
            found += _changed(run, results)
            found += [replace(run, images=images) for images in CURVE_IMAGES]
        if run.row in [row.name for row in DEEPENED]:
            found.append(replace(run, change=DEEP))
        if run.row in HALVES:
            found += _as_long(run, HALVES_SHARES)
        if run.seed == 0 and run.row in CURVES:
            found += _as_long(
                run, (*CURVE_SHARES, *([LONGEST_SHARE] if run.row == HALF.name else []))
            )
    return found


def begun(planned: list[Experiment], results: Path) -> list[Experiment]:
    """The first `SEEDS` of the planned runs, and the later ones of each kind that has one made."""
    later = [run for run in planned if run.seed >= SEEDS]
    kinds = {replace(run, seed=0) for run in later if result_of(run, results) is not None}
    return [run for run in planned if run.seed < SEEDS or replace(run, seed=0) in kinds]


def _changed(run: Experiment, results: Path) -> list[Experiment]:
    """A run with one change each; with RMSprop once a rate is known.

    With the paper's training seed 0 alone, for it has hardly learned in the usual time: so it gets
    `LONG` times as much as well.
    """
    rate = chosen_rate(run.preset, run.setting, run.row, results, RMSPROP)
    papers = replace(run, change=PAPER_TRAINING, rate=PAPER_TRAINING_RATE)
    slow = paper_training_samples(run.preset)
    return [
        replace(run, change="official targets"),
        *([] if rate is None else [replace(run, change=RMSPROP, rate=rate)]),
        *([] if run.seed else [replace(papers, samples=times * slow) for times in (1, LONG)]),
    ]


def _as_long(run: Experiment, shares: Iterable[float]) -> list[Experiment]:
    """A run with shares of the usual samples."""
    return [replace(run, samples=round(SAMPLES[run.preset] * share)) for share in shares]
