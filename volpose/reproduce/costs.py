"""What a training step of each row costs, all rows timed in turn on one machine."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from volpose import __version__
from volpose.bench.timing import Effort, race
from volpose.bench.training import own_step
from volpose.precision import resolve
from volpose.provenance import fingerprint, hardware
from volpose.recipe import PRESETS
from volpose.reproduce.experiment import Experiment
from volpose.reproduce.tables import TABLE_ROWS
from volpose.storage import read_json, write_text

ROUNDS = 21
ANY_RATE = 1e-4  # a step takes as long with any


def costs_path(preset: str, results: Path) -> Path:
    """Where the times are kept."""
    return results / f"costs-{preset}.json"


def measure_costs(preset: str, results: Path) -> None:
    """Write ``costs-PRESET.json``: the time of a training step of every row, if it is missing.

    All rows take a step, then all another, and so on: what disturbs one disturbs the others, and
    their ratios hold even on a busy machine. Another machine or number format has other ratios.

    Args:
        preset: as in `volpose.reproduce.reproduce`.
        results: folder of the results.
    """
    path = costs_path(preset, results)
    if path.exists():
        return
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    recipes = {row: Experiment(preset, "default", row, 0, ANY_RATE).recipe() for row in TABLE_ROWS}
    steps = {row: own_step(recipe, str(device)) for row, recipe in recipes.items()}
    times = race(steps, Effort(seconds=0, rounds=ROUNDS), device)
    where = {"hardware": hardware(device), "threads": torch.get_num_threads()}
    where |= {"precision": resolve(PRESETS[preset].precision, device)}
    found = {"volpose": __version__, "code": fingerprint(), **where, "steps": times}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(found, indent=1) + "\n")


def step_seconds(preset: str, results: Path) -> dict[str, float] | None:
    """Row -> seconds of a training step, the median of the rounds; None if not measured yet.

    Raises:
        ValueError: the file is damaged, or does not know every row.
    """
    path = costs_path(preset, results)
    if not path.exists():
        return None
    steps = read_json(path).get("steps", {})
    found = {row: times.get("median_s", 0) for row, times in steps.items()}
    lacking = [row for row in TABLE_ROWS if not found.get(row, 0) > 0]
    if lacking:
        raise ValueError(
            f"{path}: expected the time of a step of each row, found none of "
            f"{', '.join(lacking)}; delete it to make it anew"
        )
    return found
