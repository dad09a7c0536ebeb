"""What the runs say of questions that the paper leaves open."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import log2
from pathlib import Path

from volpose.recipe import PRESETS
from volpose.reproduce.dissect import COMPARED
from volpose.reproduce.experiment import (
    ASKED,
    DEEP,
    HALF_RATE,
    LONG,
    PAPER_TRAINING,
    SAMPLES,
    paper_training_samples,
)
from volpose.reproduce.intervals import Interval, paired
from volpose.reproduce.learned import hardly_learned, late, learning_begins
from volpose.reproduce.plan import DEEPENED
from volpose.reproduce.records import METRIC, load
from volpose.reproduce.summary import Summary, error_of, summarize
from volpose.reproduce.tables import (
    COARSE_TO_FINE,
    HALF,
    NAIVE,
    ROWS,
    WHOLE,
    Row,
    file_name,
)

Side = tuple[str, str]  # a row's name, and what its runs' names have added to it


@dataclass(frozen=True)
class Effect:
    """What a change of the training does to the row 1-32, under one decoder.

    Attributes:
        change: one of `volpose.reproduce.experiment.ASKED`, or what `effects` adds to them.
        decoder: of `volpose.reproduce.dissect.COMPARED`.
        reached: seed -> MPJPE with the change, mm.
        added: with the change minus without, paired by seed; None without pairs, or if most have
            hardly learned: then it would say when learning begins, not how it ends.
        hardly_learned: whether most of its runs have, by `volpose.reproduce.learned`.
    """

    change: str
    decoder: str
    reached: dict[int, float]
    added: Interval | None
    hardly_learned: bool


def variants(row: str, preset: str, runs: dict[str, dict], added: str = "") -> dict[tuple, dict]:
    """The runs of a row whose names have something added.

    Args:
        row: its name.
        preset: whose depths the runs have.
        runs: of `volpose.reproduce.records.load`.
        added: a pattern for what stands between row and seed.

    Returns:
        What the pattern's groups have matched, all numbers, with the seed -> result.

    Raises:
        ValueError: the pattern fits several runs, and no group tells them apart.
    """
    stem = file_name(ROWS[row].label(PRESETS[preset].network.z_bins[-1]))
    pattern = re.compile(re.escape(stem) + added + r"-seed-(\d+)")
    found: dict[tuple, dict] = {}
    for name, result in runs.items():
        if match := pattern.fullmatch(name):
            key = tuple(map(int, match.groups()))
            if key in found:
                raise ValueError(
                    f"{added!r} fits several runs of seed {key[-1]}: group what varies"
                )
            found[key] = result
    return found


def effects(preset: str, setting: str, results: Path) -> list[Effect]:
    """All changes of the training of the row 1-32, each read by all decoders.

    The paper's training is there twice: in the usual time, and `volpose.reproduce.experiment.LONG`
    times as long, beside usual runs of as many times the samples.

    Args:
        preset, setting, results: as in `volpose.reproduce.reproduce`.
    """
    runs, begins = load(preset, setting, results), learning_begins(preset, setting, results)

    slow, usual = paper_training_samples(preset), SAMPLES[preset]
    stem = f"-{file_name(PAPER_TRAINING)}"
    asked = {change: (f"-{file_name(change)}", "") for change in ASKED}
    asked[PAPER_TRAINING] = (f"{stem}-{slow}-samples", "")
    asked[f"{PAPER_TRAINING}, {LONG} x as long"] = (
        f"{stem}-{LONG * slow}-samples",
        f"-{LONG * usual}-samples",
    )
    found, row = [], COARSE_TO_FINE.name
    for change, (added, before) in asked.items():
        usual_reading = _errors((row, added), preset, runs)
        most = 2 * len(hardly_learned(usual_reading, begins)) > len(usual_reading)
        for decoder in COMPARED:
            reached = _errors((row, added), preset, runs, decoder)
            more = _ahead((row, before), (row, added), preset, runs, begins, decoder)
            found.append(Effect(change, decoder, reached, None if most else more, most))
    return found


def margin(
    better: str,
    worse: str,
    preset: str,
    runs: dict[str, dict],
    begins: float | None,
    samples: int | None = None,
    decoder: str = COMPARED[0],
) -> Interval | None:
    """How far a row is ahead of another: the MPJPE of the second minus that of the first, mm.

    Args:
        better, worse: names of rows.
        preset, runs: as in `variants`.
        begins: of `volpose.reproduce.learned.learning_begins`; if it is None no run is late.
        samples: seen by both; None for the usual number.
        decoder: of both, one of `volpose.reproduce.dissect.COMPARED`.

    Returns:
        Over the pairs of one seed; None if there are none.
    """
    added = "" if samples in (None, SAMPLES[preset]) else f"-{samples}-samples"
    return _ahead((better, added), (worse, added), preset, runs, begins, decoder)


def thickness(
    preset: str,
    runs: dict[str, dict],
    begins: float | None,
    decoder: str = COMPARED[0],
) -> dict[str, Interval | None]:
    """What targets do that are as thick in mm as those of half as many slices.

    Args:
        preset, runs, begins: as in `margin`.
        decoder: of all, one of `volpose.reproduce.dissect.COMPARED`.

    Returns:
        "A below B" -> how far A is ahead of B, MPJPE in mm over the pairs of one seed, None if
        there are none: rows with such targets and with their own, then rows with each other.
    """

    def own(row: Row) -> Side:
        return row.name, ""

    def deep(row: Row) -> Side:
        return row.name, f"-{file_name(DEEP)}"

    depth = PRESETS[preset].network.z_bins[-1]
    name = {row: row.label(depth) for row in (HALF, *DEEPENED)}
    asked = {f"{name[r]}, {DEEP}, below its own": (deep(r), own(r)) for r in DEEPENED}
    asked[f"{name[HALF]} below {name[WHOLE]}, {DEEP}"] = own(HALF), deep(WHOLE)
    for other in (WHOLE, NAIVE):
        both = f"{name[COARSE_TO_FINE]} below {name[other]}, both {DEEP}"
        asked[both] = deep(COARSE_TO_FINE), deep(other)
    return {words: _ahead(*both, preset, runs, begins, decoder) for words, both in asked.items()}


def _ahead(
    better: Side,
    worse: Side,
    preset: str,
    runs: dict[str, dict],
    begins: float | None,
    decoder: str,
) -> Interval | None:
    """The second side's MPJPE minus the first's, with the runs that are late as usually read."""
    first, second = (late(_errors(side, preset, runs), begins) for side in (better, worse))
    errors = (_errors(side, preset, runs, decoder) for side in (better, worse))
    return paired(*errors, late=(first, second))


def _errors(
    side: Side, preset: str, runs: dict[str, dict], decoder: str = COMPARED[0]
) -> dict[int, float]:
    """Seed -> MPJPE, mm, of the runs that were read that way; coordinates are in any reading."""
    row, added = side
    found = variants(row, preset, runs, added)
    read = {key[-1]: error_of(result, decoder) for key, result in found.items()}
    return {seed: mm for seed, mm in sorted(read.items()) if mm is not None}


def sized(row: str, preset: str, runs: dict[str, dict], word: str) -> dict[int, dict[int, float]]:
    """Number of samples, or of images -> seed -> MPJPE, mm; rising.

    Args:
        row, preset, runs: as in `variants`.
        word: "samples" or "images".
    """
    other = variants(row, preset, runs, rf"-(\d+)-{word}").items()
    found = {key: result["mean_of_frames"][METRIC] for key, result in other}
    for (seed,), result in variants(row, preset, runs).items():
        found[result["card"]["recipe"][word], seed] = result["mean_of_frames"][METRIC]
    sizes: dict[int, dict[int, float]] = {}
    for (size, seed), mm in sorted(found.items()):
        sizes.setdefault(size, {})[seed] = mm
    return sizes


def grown(row: str, preset: str, runs: dict[str, dict], word: str) -> dict[int, float]:
    """Number of samples, or of images -> MPJPE of seed 0, mm; as `sized`."""
    return {size: of[0] for size, of in sized(row, preset, runs, word).items() if 0 in of}


def doubling(
    sizes: Mapping[int, Mapping[int, float]], few: int, many: int, begins: float | None = None
) -> Interval | None:
    """What each doubling takes off between two sizes, mm, over the seeds that are late at neither.

    Args:
        sizes: of `sized`.
        few, many: two of them.
        begins: as in `margin`.

    Returns:
        None without seeds.
    """
    ends = [sizes.get(size, {}) for size in (few, many)]
    seeds = set.intersection(*(of.keys() - set(late(of, begins)) for of in ends))
    gains = [(ends[0][seed] - ends[1][seed]) / log2(many / few) for seed in sorted(seeds)]
    return Interval.of(gains) if gains else None


def half_rates(preset: str, setting: str, results: Path) -> dict[str, Summary]:
    """Table 2 at the chosen rates and at half of them, with the seeds that all rows have at both.

    Args:
        preset, setting, results: as in `volpose.reproduce.reproduce`.

    Returns:
        "chosen rate" and `HALF_RATE`, each as `volpose.reproduce.summary.summarize` gives it; empty
        as long as no seed has all rows at half of their rates.
    """
    where = "table2", preset, setting, results
    seeds, every = (
        [line.errors["samples"].keys() for line in summarize(*where, change=change).lines]
        for change in (HALF_RATE, "")
    )
    common = set.intersection(*map(set, seeds))
    others = set().union(*every, *seeds) - common
    names = {"chosen rate": "", HALF_RATE: HALF_RATE}
    found = {n: summarize(*where, without=others, change=change) for n, change in names.items()}
    return found if common else {}
