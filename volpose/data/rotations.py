"""Rotations of many frames at once."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation


def about_axis(axis: int, angle: np.ndarray) -> np.ndarray:
    """Rotation matrices (n, 3, 3) about the axis x, y or z (0, 1, 2) by angles (n,), radians."""
    return Rotation.from_euler("xyz"[axis], angle[:, None]).as_matrix()


def upright(down: np.ndarray) -> np.ndarray:
    """The rotation (3, 3) by right angles after which `down` (3,) points down: z is up.

    Args:
        down: roughly one of the axes, forward or backward.
    """
    axis = int(np.abs(down).argmax())
    up = np.eye(3)[axis] * -np.sign(down[axis])
    side = np.eye(3)[0 if axis else 1]
    return np.stack([side, np.cross(up, side), up])
