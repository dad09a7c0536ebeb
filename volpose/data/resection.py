"""The pinhole camera that explains where known points appear."""

from __future__ import annotations

import numpy as np
from scipy.linalg import rq
from scipy.spatial.transform import Rotation

FEWEST = 12  # points; six would do if they were exact
POLISHED = 600  # points that the last step looks at
LARGEST_MEDIAN_PX = 4.0  # distance of points from where they should appear

Pinhole = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def fit_pinhole(world: np.ndarray, seen: np.ndarray, name: str) -> Pinhole:
    """Find a camera from points and their pixels: linear equations, then least squares of px.

    Args:
        world: (..., 3) mm.
        seen: (..., 2) px; points with NaN on either side are left out.
        name: what the error begins with.

    Returns:
        Focal lengths (2) and principal point (2) in px; rotation (3, 3) from world to camera, and
        position (3) in mm.

    Raises:
        ValueError: too few points, all in a plane, or the pixels do not belong to the points.
    """
    world, seen = world.reshape(-1, 3), seen.reshape(-1, 2)
    good = np.isfinite(world).all(1) & np.isfinite(seen).all(1)
    world, seen = world[good], seen[good]
    if len(world) < FEWEST:
        raise ValueError(f"{name}: needs {FEWEST} points with their pixels, has {len(world)}")
    middle, spread = world.mean(0), world.std()
    center, size = seen.mean(0), seen.std()
    if not (spread > 0 and size > 0 and np.isfinite([spread, size]).all()):
        raise ValueError(f"{name}: all points in one place")
    try:
        start = _linear((world - middle) / spread, (seen - center) / size)
        fit = _polish(start, (world - middle) / spread, (seen - center) / size)
    except np.linalg.LinAlgError as error:
        raise ValueError(f"{name}: pixels do not determine it ({error})") from error
    focal, offset, rotation, shift = fit
    off = np.linalg.norm(_project(fit, (world - middle) / spread) * size + center - seen, axis=1)
    if not np.median(off) <= LARGEST_MEDIAN_PX or not (focal > 0).all():
        raise ValueError(
            f"{name}: 2D and 3D joints do not belong together; half of the joints are "
            f"{np.median(off):.0f} px or more from where a pinhole would show them"
        )
    position = middle - spread * (rotation.T @ shift)
    return focal * size, offset * size + center, rotation, position


def _linear(points: np.ndarray, seen: np.ndarray) -> Pinhole:
    """The direct linear transformation, split into a camera's parts."""
    full = np.c_[points, np.ones(len(points))]
    zero = np.zeros_like(full)
    rows = np.r_[np.c_[full, zero, -seen[:, :1] * full], np.c_[zero, full, -seen[:, 1:] * full]]
    matrix = np.linalg.eigh(rows.T @ rows)[1][:, 0].reshape(3, 4)
    if np.median(full @ matrix[2]) < 0:
        matrix = -matrix
    k, rotation = rq(matrix[:, :3])  # intrinsics times rotation
    signs = np.sign(np.diag(k))
    k, rotation = k * signs, rotation * signs[:, None]
    if not np.abs(k[2, 2]) > 1e-12 or np.linalg.det(rotation) < 0:
        raise np.linalg.LinAlgError("points in a plane, or a mirror")
    shift = np.linalg.solve(k, matrix[:, 3])
    k = k / k[2, 2]
    return np.diag(k)[:2].copy(), k[:2, 2].copy(), rotation, shift


def _project(camera: Pinhole, points: np.ndarray) -> np.ndarray:
    focal, center, rotation, shift = camera
    moved = points @ rotation.T + shift
    return moved[:, :2] / moved[:, 2:] * focal + center


def _polish(start: Pinhole, points: np.ndarray, seen: np.ndarray) -> Pinhole:
    """Least squares of pixels, from the linear solution."""
    from scipy.optimize import least_squares  # takes half a second to import, seldom needed

    some = np.unique(np.linspace(0, len(points) - 1, POLISHED).astype(int))
    points, seen = points[some], seen[some]
    focal, center, rotation, shift = start
    vector = np.r_[focal, center, Rotation.from_matrix(rotation).as_rotvec(), shift]

    def unpack(values: np.ndarray) -> Pinhole:
        turn = Rotation.from_rotvec(values[4:7]).as_matrix()
        return values[:2], values[2:4], turn, values[7:]

    def residuals(values: np.ndarray) -> np.ndarray:
        return np.nan_to_num(
            _project(unpack(values), points) - seen, posinf=1e3, neginf=-1e3
        ).ravel()

    return unpack(least_squares(residuals, vector, max_nfev=20).x)
