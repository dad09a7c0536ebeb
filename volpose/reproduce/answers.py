"""What the runs say of questions that the paper leaves open, as data and as text."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import log2
from pathlib import Path

from volpose.recipe import PRESETS
from volpose.reproduce.dissect import COMPARED
from volpose.reproduce.experiment import ASKED, HALF_RATE, SAMPLES
from volpose.reproduce.intervals import FEWEST, Interval, paired
from volpose.reproduce.learned import hardly_learned, learning_begins
from volpose.reproduce.plan import CURVES
from volpose.reproduce.report import NOTHING, aligned, difference_cells, readings
from volpose.reproduce.summary import METRIC, Summary, error_of, load, runs_of, summarize
from volpose.reproduce.tables import (
    APART,
    COARSE_TO_FINE,
    DECOUPLED,
    HALF,
    QUARTER,
    ROWS,
    WHOLE,
    file_name,
)

HARM = {"holds": "does harm", "does not hold": "helps"}  # verdicts on an added error


@dataclass(frozen=True)
class Effect:
    """What a change of the training does to the row 1-32, under one decoder.

    Attributes:
        change: one of `volpose.reproduce.experiment.ASKED`.
        decoder: of `volpose.reproduce.dissect.COMPARED`.
        reached: seed -> MPJPE with the change, mm.
        added: with the change minus without, paired by seed; None without pairs, or if it is late:
            then it would say when learning begins, not how it ends.
        late: whether most of its runs have hardly learned, by `volpose.reproduce.learned`.
    """

    change: str
    decoder: str
    reached: dict[int, float]
    added: Interval | None
    late: bool


def variants(row: str, preset: str, runs: dict[str, dict], added: str = "") -> dict[tuple, dict]:
    """The runs of a row whose names have something added.

    Args:
        row: its name.
        preset: whose depths the runs have.
        runs: of `volpose.reproduce.summary.load`.
        added: a pattern for what stands between row and seed.

    Returns:
        What the pattern's groups have matched, all numbers, with the seed -> result.
    """
    stem = file_name(ROWS[row].label(PRESETS[preset].network.z_bins[-1]))
    pattern = re.compile(re.escape(stem) + added + r"-seed-(\d+)")
    matches = ((pattern.fullmatch(name), result) for name, result in runs.items())
    return {tuple(map(int, m.groups())): result for m, result in matches if m}


def effects(preset: str, setting: str, results: Path) -> list[Effect]:
    """All changes of the training of the row 1-32, each read by all decoders.

    Args:
        preset, setting, results: as in `volpose.reproduce.reproduce`.
    """
    runs, begins = load(preset, setting, results), learning_begins(preset, setting, results)

    def errors(added: str, decoder: str) -> dict[int, float]:
        return _errors(COARSE_TO_FINE.name, preset, runs, added, decoder)

    found = []
    for change in ASKED:
        added = f"-{re.escape(file_name(change))}(?:-\\d+-samples)?"
        usual_reading = errors(added, COMPARED[0])
        late = 2 * len(hardly_learned(usual_reading, begins)) > len(usual_reading)
        for decoder in COMPARED:
            reached = errors(added, decoder)
            more = None if late else paired(errors("", decoder), reached)
            found.append(Effect(change, decoder, reached, more, late))
    return found


def margin(
    better: str,
    worse: str,
    preset: str,
    runs: dict[str, dict],
    samples: int | None = None,
    decoder: str = COMPARED[0],
) -> Interval | None:
    """How far a row is ahead of another: the MPJPE of the second minus that of the first, mm.

    Args:
        better, worse: names of rows.
        preset, runs: as in `variants`.
        samples: seen by both; None for the usual number.
        decoder: of both, one of `volpose.reproduce.dissect.COMPARED`.

    Returns:
        Over the pairs of one seed; None if there are none.
    """
    added = "" if samples in (None, SAMPLES[preset]) else f"-{samples}-samples"
    return paired(*(_errors(row, preset, runs, added, decoder) for row in (better, worse)))


def _errors(
    row: str, preset: str, runs: dict[str, dict], added: str, decoder: str
) -> dict[int, float]:
    """Seed -> MPJPE, mm, of those that have volumes."""
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
    """What each doubling takes off between two sizes, mm, over the seeds that have both.

    Args:
        sizes: of `sized`.
        few, many: two of them.
        begins: of `learning_begins`; seeds that have hardly learned at either are left out.

    Returns:
        None without seeds.
    """
    ends = [sizes.get(size, {}) for size in (few, many)]
    pairs = [[of[seed] for of in ends] for seed in ends[0].keys() & ends[1].keys()]
    learned = [pair for pair in pairs if not hardly_learned(dict(enumerate(pair)), begins)]
    gains = [(mm - less) / log2(many / few) for mm, less in learned]
    return Interval.of(gains) if gains else None


def half_rates(preset: str, setting: str, results: Path) -> dict[str, Summary]:
    """Table 2 at the chosen rates and at half of them, both with the seeds of the latter.

    Args:
        preset, setting, results: as in `volpose.reproduce.reproduce`.

    Returns:
        "chosen rate" and `HALF_RATE`, each as `volpose.reproduce.summary.summarize` gives it; empty
        as long as there is no run at half of a rate.
    """
    where = "table2", preset, setting, results
    halved = summarize(*where, change=HALF_RATE)
    seeds = {seed for line in halved.lines for seed in line.errors["samples"]}
    every = {seed for line in summarize(*where).lines for seed in line.errors["samples"]}
    usual = summarize(*where, without=every - seeds)
    return {"chosen rate": usual, HALF_RATE: halved} if seeds else {}


def answers(preset: str, setting: str, results: Path) -> str:
    """Errors by decoder, stage, joint, change, length, depth, halves, confidence, rate, as text.

    MPJPE in mm over the seeds with 95 % intervals, equal samples; an error without an interval is
    that of seed 0.

    Args:
        preset, setting, results: as in `volpose.reproduce.reproduce`.
    """
    runs = load(preset, setting, results)
    depth = PRESETS[preset].network.z_bins[-1]
    rows = {
        row.label(depth): list(runs_of(name, preset, runs).values()) for name, row in ROWS.items()
    }
    volumes = {label: found for label, found in rows.items() if found and "stages" in found[0]}
    stack = COARSE_TO_FINE.label(depth)
    usual = volumes.get(stack, [])
    head = f"What the paper leaves open\n{preset} preset, {setting} studio; MPJPE mm"
    parts = [head, *map(aligned, (_decoders(volumes), _stages(volumes), _joints(stack, usual)))]
    if learning_begins(preset, setting, results) is not None:
        parts.append(aligned(_changes(effects(preset, setting, results))))
    for word in ("samples", "images"):
        curves = {ROWS[name].label(depth): sized(name, preset, runs, word) for name in CURVES}
        parts.append(aligned(_curves({n: c for n, c in curves.items() if len(c) > 1}, word)))
    last = _depths(preset, runs), _halves(preset, runs), _heights(usual)
    halved = half_rates(preset, setting, results)
    return "\n\n".join([*parts, *map(aligned, last), *([readings(halved)] if halved else [])])


def _over_seeds(found: list[dict], read: Callable[[dict], float]) -> str:
    return str(Interval.of([read(result) for result in found]))


def _decoders(volumes: dict[str, list[dict]]) -> list[tuple[str, ...]]:
    lines: list[tuple[str, ...]] = [("by decoder", *COMPARED)]
    for label, found in volumes.items():
        cells = (_over_seeds(found, lambda r, d=d: r["decoders"][d]) for d in COMPARED)
        lines.append((label, *cells))
    return lines


def _stages(volumes: dict[str, list[dict]]) -> list[tuple[str, ...]]:
    keys = {"mpjpe_mm": "MPJPE mm", "across_px": "across px", "depth_mm": "depth mm"}
    lines: list[tuple[str, ...]] = [("by stage", "slices", *keys.values())]
    for label, found in volumes.items():
        for number, stage in enumerate(found[0]["stages"]):
            cells = (_over_seeds(found, lambda r, n=number, k=k: r["stages"][n][k]) for k in keys)
            lines.append((f"{label}, stage {number + 1}", str(stage["d"]), *cells))
    return lines


def _joints(label: str, usual: list[dict]) -> list[tuple[str, ...]]:
    lines: list[tuple[str, ...]] = [(f"by joint, {label}", "mm")]
    for name in usual[0]["joints"] if usual else ():
        lines.append((name.replace("_", " "), _over_seeds(usual, lambda r, n=name: r["joints"][n])))
    return lines


def _changes(found: list[Effect]) -> list[tuple[str, ...]]:
    lines: list[tuple[str, ...]] = [("changed, and how read", "added mm", "pairs", "")]
    for effect in found:
        mm, pairs, word = difference_cells(effect.added)
        word = "has hardly learned" if effect.late else HARM.get(word, word)
        lines.append((f"{effect.change}, {effect.decoder}", mm, pairs, word))
    return lines


def _curves(curves: dict[str, dict[int, dict[int, float]]], word: str) -> list[tuple[str, ...]]:
    sizes = sorted({size for curve in curves.values() for size in curve})
    lines: list[tuple[str, ...]] = [(f"by {word}", *(f"{size:,}" for size in sizes))]
    lines += [(label, *(_at(curve.get(n, {})) for n in sizes)) for label, curve in curves.items()]
    return lines


def _at(errors: Mapping[int, float]) -> str:
    """Of one size: over the seeds if they are enough, else of seed 0."""
    if len(errors) >= FEWEST:
        return str(Interval.of(list(errors.values())))
    return f"{errors[0]:.1f}" if 0 in errors else NOTHING


def _depths(preset: str, runs: dict[str, dict]) -> list[tuple[str, ...]]:
    depth = PRESETS[preset].network.z_bins[-1]
    lines: list[tuple[str, ...]] = [("by depth resolution", "mm", "pairs", "")]
    for coarse, fine in ((QUARTER, HALF), (HALF, WHOLE)):
        for decoder in COMPARED:
            cells = difference_cells(margin(fine.name, coarse.name, preset, runs, None, decoder))
            lines.append((f"{fine.label(depth)} below {coarse.label(depth)}, {decoder}", *cells))
    return lines


def _halves(preset: str, runs: dict[str, dict]) -> list[tuple[str, ...]]:
    lines: list[tuple[str, ...]] = [("trained together below apart", "mm", "pairs", "")]
    for samples in grown(DECOUPLED.name, preset, runs, "samples"):
        cells = difference_cells(margin(DECOUPLED.name, APART.name, preset, runs, samples))
        lines.append((f"{samples:,} samples", *cells))
    return lines


def _heights(usual: list[dict]) -> list[tuple[str, ...]]:
    lines: list[tuple[str, ...]] = [("by height of the peak", "joints", "mm", "within 150 mm")]
    bins = [entry for result in usual for entry in result["confidence"]]
    for start in sorted({entry["from"] for entry in bins}):
        chosen = [entry for entry in bins if entry["from"] == start]
        joints = sum(entry["joints"] for entry in chosen)
        error, near = (
            sum(entry["joints"] * entry[key] for entry in chosen) / joints
            for key in ("error_mm", "within_150")
        )
        lines.append((f"from {start:.1f}", f"{joints:,}", f"{error:.1f}", f"{near:.1%}"))
    return lines
