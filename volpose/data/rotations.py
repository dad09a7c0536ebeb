"""Rotations of many frames at once."""

from __future__ import annotations

import numpy as np


def about_axis(axis: int, angle: np.ndarray) -> np.ndarray:
    """Rotation matrices (n, 3, 3) about the axis x, y or z (0, 1, 2) by angles (n,), radians."""
    turn = np.zeros((len(angle), 3, 3))
    one, two = (axis + 1) % 3, (axis + 2) % 3
    turn[:, axis, axis] = 1
    turn[:, one, one] = turn[:, two, two] = np.cos(angle)
    turn[:, two, one] = np.sin(angle)
    turn[:, one, two] = -turn[:, two, one]
    return turn


def upright(down: np.ndarray) -> np.ndarray:
    """The rotation (3, 3) by right angles after which `down` (3,) points down: z is up.

    Args:
        down: roughly one of the axes, forward or backward.
    """
    axis = int(np.abs(down).argmax())
    up = np.eye(3)[axis] * -np.sign(down[axis])
    side = np.eye(3)[0 if axis else 1]
    return np.stack([side, np.cross(up, side), up])
