"""What the runs say of questions that the paper leaves open, as text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from volpose.recipe import PRESETS
from volpose.reproduce.answers import Effect, effects, grown, half_rates, margin, sized, thickness
from volpose.reproduce.dissect import COMPARED
from volpose.reproduce.intervals import FEWEST, LEVEL, Interval
from volpose.reproduce.learned import FALLEN, learning_begins
from volpose.reproduce.plan import CURVES
from volpose.reproduce.records import load
from volpose.reproduce.report import (
    NOTHING,
    aligned,
    difference_cells,
    late_cell,
    readings,
    without_empty,
)
from volpose.reproduce.summary import runs_of
from volpose.reproduce.tables import APART, COARSE_TO_FINE, DECOUPLED, HALF, QUARTER, ROWS, WHOLE

ALONE = (
    f"± is a {LEVEL:.0%} interval; every verdict here stands alone: of twenty questions whose\n"
    "true answer is zero one gets a verdict by chance, and nothing is corrected for that\n"
    f"column late: runs of the better and of the worse side (of the usual and of the changed\n"
    f"training) that have hardly learned or end above {FALLEN:g} times their best"
)
HARM = {"holds": "does harm", "does not hold": "helps"}  # verdicts on an added error


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
    head = f"What the paper leaves open\n{preset} preset, {setting} studio; MPJPE mm\n{ALONE}"
    parts = [head, *map(aligned, (_decoders(volumes), _stages(volumes), _joints(stack, usual)))]
    begins = learning_begins(preset, setting, results)
    if begins is not None:  # else nobody knows which changes have hardly learned
        parts.append(_changes(effects(preset, setting, results)))
    for word in ("samples", "images"):
        curves = {ROWS[name].label(depth): sized(name, preset, runs, word) for name in CURVES}
        parts.append(aligned(_curves({n: c for n, c in curves.items() if len(c) > 1}, word)))
    parts += [block(preset, runs, begins) for block in (_depths, _thickness, _halves)]
    parts.append(aligned(_heights(usual)))
    halved = half_rates(preset, setting, results)
    return "\n\n".join([*parts, *([readings(halved)] if halved else [])])


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


def _changes(found: list[Effect]) -> str:
    lines: list[tuple[str, ...]] = [("changed, and how read", "added mm", "pairs", "", "late")]
    for effect in found:
        mm, pairs, word = difference_cells(effect.added)
        word = "has hardly learned" if effect.hardly_learned else HARM.get(word, word)
        cells = mm, pairs, word, late_cell(effect.added)
        lines.append((f"{effect.change}, {effect.decoder}", *cells))
    return aligned(without_empty(lines))


def _leads(title: str, found: dict[str, Interval | None]) -> str:
    lines = [(title, "mm", "pairs", "", "late")]
    lines += [(words, *difference_cells(won), late_cell(won)) for words, won in found.items()]
    return aligned(without_empty(lines))


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


def _depths(preset: str, runs: dict[str, dict], begins: float | None) -> str:
    depth = PRESETS[preset].network.z_bins[-1]
    found = {
        f"{fine.label(depth)} below {coarse.label(depth)}, {decoder}": margin(
            fine.name, coarse.name, preset, runs, begins, None, decoder
        )
        for coarse, fine in ((QUARTER, HALF), (HALF, WHOLE))
        for decoder in COMPARED
    }
    return _leads("by depth resolution", found)


def _thickness(preset: str, runs: dict[str, dict], begins: float | None) -> str:
    found = {
        f"{words}, {decoder}": won
        for decoder in COMPARED
        for words, won in thickness(preset, runs, begins, decoder).items()
    }
    return _leads("by thickness of the target", found)


def _halves(preset: str, runs: dict[str, dict], begins: float | None) -> str:
    both = DECOUPLED.name, APART.name
    found = {
        f"{samples:,} samples": margin(*both, preset, runs, begins, samples)
        for samples in grown(DECOUPLED.name, preset, runs, "samples")
    }
    return _leads("trained together below apart", found)


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
