"""Which runs have hardly learned: they end near the error of the mean pose."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from volpose.storage import read_json

LEARNED = 0.75  # of the mean pose's error: above it a training has hardly learned


def learning_begins(preset: str, setting: str, results: Path) -> float | None:
    """The error below which a training has learned, mm: `LEARNED` of that of the mean pose.

    Args:
        preset, setting, results: as in `volpose.reproduce.reproduce`.

    Returns:
        None as long as ``lookup-PRESET-SETTING.json``, which knows the mean pose, is missing.

    Raises:
        ValueError: the file is damaged.
    """
    path = results / f"lookup-{preset}-{setting}.json"
    return LEARNED * read_json(path)["mean_pose_mm"] if path.exists() else None


def hardly_learned(errors: Mapping[int, float], begins: float | None) -> list[int]:
    """Seeds of the runs that have hardly learned.

    A difference with such a run says that a training fails, not how exact a network is that has
    learned.

    Args:
        errors: seed -> MPJPE, mm, in the usual reading.
        begins: of `learning_begins`; below None nobody knows, and no run is named.

    Paper: not in the paper.
    """
    return [seed for seed, mm in errors.items() if begins is not None and mm > begins]
