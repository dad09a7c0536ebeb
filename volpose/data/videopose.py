"""Human3.6M's poses without pictures: `data_3d_h36m.npz` of VideoPose3D's conversion.

Meters, world, 32 points, z up; by subject and by names such as `Directions 1`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from volpose.data.files import archive_names, column, read_npz_plain
from volpose.data.h36m_names import SUBJECTS, known_action
from volpose.data.orders import from_32

ARRAY = "positions_3d"


def is_videopose(path: Path) -> bool:
    """Whether an archive is of this kind."""
    return ARRAY in archive_names(path)


def read_videopose(
    path: Path, split: str, step: int = 1
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Every n-th frame of every sequence of a split.

    Args:
        path: of the archive.
        split: train or test, by the paper's subjects.
        step: n.

    Returns:
        Poses (n, 17, 3) mm, z up; subjects, actions and frames (from 1), (n,) each.

    Raises:
        ValueError: the archive is damaged, or has nobody of the split.
    """
    stored = read_npz_plain(path, ARRAY)
    if not isinstance(stored, dict) or not all(isinstance(s, dict) for s in stored.values()):
        raise ValueError(f"{path}: expected {ARRAY} by subject and action")
    poses, subjects, actions, frames = [], [], [], []
    for subject in SUBJECTS[split]:
        for name, values in stored.get(subject, {}).items():
            action = known_action(str(name).partition(" ")[0], path)
            pose = column({str(name): values}, str(name), path, (None, 32, 3))
            pose = from_32(pose[::step]) * 1000
            poses.append(pose.astype(np.float32))
            subjects += [subject] * len(pose)
            actions += [action] * len(pose)
            frames += range(1, len(pose) * step + 1, step)
    if not frames:
        raise ValueError(f"{path}: expected subjects {SUBJECTS[split]}, found {[*stored]}")
    return np.concatenate(poses), np.array(subjects), np.array(actions), np.array(frames)
