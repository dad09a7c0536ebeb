"""Which runs are late: they have hardly learned, or have fallen far behind their row."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from volpose.storage import read_json

LEARNED = 0.75  # of the mean pose's error: above it a training has hardly learned
FALLEN = 1.25  # times the error of the best: above it a training has fallen behind


def lookup_path(preset: str, setting: str, results: Path) -> Path:
    """The file that knows the mean pose, see `volpose.reproduce.lookup`."""
    return results / f"lookup-{preset}-{setting}.json"


def learning_begins(preset: str, setting: str, results: Path) -> float | None:
    """The error below which a training has learned, mm: `LEARNED` of that of the mean pose.

    Args:
        preset, setting, results: as in `volpose.reproduce.reproduce`.

    Returns:
        None as long as ``lookup-PRESET-SETTING.json``, which knows the mean pose, is missing.

    Raises:
        ValueError: the file is damaged.
    """
    path = lookup_path(preset, setting, results)
    if not path.exists():
        return None
    mm = read_json(path).get("mean_pose_mm")
    if not isinstance(mm, int | float):
        raise ValueError(f"{path}: mean_pose_mm must be a number, found {mm!r}")
    return LEARNED * mm


def hardly_learned(errors: Mapping[int, float], begins: float | None) -> list[int]:
    """Seeds of the runs that have hardly learned.

    Args:
        errors: seed -> MPJPE, mm, in the usual reading.
        begins: of `learning_begins`; if it is None nobody knows, and no run is named.

    Paper: not in the paper.
    """
    return [seed for seed, mm in errors.items() if begins is not None and mm > begins]


def late(errors: Mapping[int, float], begins: float | None) -> list[int]:
    """Seeds of the runs that have hardly learned, or end above `FALLEN` times their row's best.

    A difference with such a run says that a training fails, not how exact a network is that has
    learned.

    Args:
        errors: seed -> MPJPE, mm, in the usual reading, of runs that are alike but for their seeds.
        begins: as in `hardly_learned`.

    Paper: not in the paper.
    """
    if begins is None or not errors:
        return []
    return hardly_learned(errors, min(begins, FALLEN * min(errors.values())))
