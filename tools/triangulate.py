"""Joints that several calibrated cameras see, brought to one place in the room."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from volpose.camera import Camera

FEWEST = 3  # views: any two nearly agree on some point, the third is a check


class Agreed(NamedTuple):
    """What the views agree on.

    Attributes:
        points: (..., 3) mm, world; NaN where fewer than `FEWEST` views agree.
        used: (views, ...) True for a view that is one of those that agree.
    """

    points: Float[Tensor, "*points 3"]
    used: Bool[Tensor, "views ..."]


def agree(joints_px: Float[Tensor, "views *points 2"], cameras: Camera, apart: float) -> Agreed:
    """Triangulate each joint from as many views as agree on it.

    All choices of all views are tried first, then those with one view less, down to `FEWEST`. Of
    choices with as many views, the one whose worst view is closest is taken.

    Args:
        joints_px: px; NaN where a view found nothing.
        cameras: one for each view, with rotation and position.
        apart: px; a view whose joint is further from where it should see the point disagrees.
    """
    views, shape = len(joints_px), joints_px.shape[1:-1]
    flat = joints_px.reshape(views, -1, 2)
    points = flat.new_full((flat.shape[1], 3), torch.nan)
    used = torch.zeros(flat.shape[:2], dtype=torch.bool)
    for count in range(views, FEWEST - 1, -1):
        worst = flat.new_full((flat.shape[1],), apart)
        unknown = points.isnan().any(-1)
        for some in map(list, itertools.combinations(range(views), count)):
            at = triangulate(flat[some], cameras[some])
            off = reprojection(at, flat[some], cameras[some]).norm(dim=-1).amax(0)
            better = unknown & (off < worst)  # False for NaN
            worst = torch.where(better, off, worst)
            points = torch.where(better[:, None], at, points)
            chosen = torch.tensor([view in some for view in range(views)])
            used = torch.where(better, chosen[:, None], used)
    return Agreed(points.view(*shape, 3), used.view(views, *shape))


def triangulate(
    joints_px: Float[Tensor, "views points 2"], cameras: Camera
) -> Float[Tensor, "points 3"]:
    """The points that all views see where they found them, as nearly as can be.

    A camera says that its ray (x, y, 1) is parallel to the point seen from it, (X, Y, Z):
    x Z - X = 0 and y Z - Y = 0. These are linear in the homogeneous point; the last singular
    vector solves all of them best.

    Args:
        joints_px: px; a point that is NaN in a view is NaN.
        cameras: one for each view.

    Returns:
        mm, world.
    """
    rays = (joints_px - cameras.center[:, None]) / cameras.focal[:, None]
    known = rays.isfinite().all(-1).all(0)
    middle = cameras.position.mean(0)
    away = (middle - cameras.position)[:, :, None] / 1000  # m, for numbers of one size
    pose = torch.cat([cameras.rotation, cameras.rotation @ away], -1)  # (views, 3, 4)
    rows = rays.nan_to_num()[..., None] * pose[:, None, 2:] - pose[:, None, :2]
    equations = rows.transpose(0, 1).flatten(1, 2).double()  # (points, 2 views, 4)
    solution = torch.linalg.svd(equations, full_matrices=False).Vh[:, -1]
    points = middle + 1000 * (solution[:, :3] / solution[:, 3:]).to(middle)
    return torch.where(known[:, None], points, torch.nan)


def reprojection(
    points: Float[Tensor, "*points 3"], joints_px: Float[Tensor, "views *points 2"], cameras: Camera
) -> Float[Tensor, "views *points 2"]:
    """From where each view found a joint to where it should see the point, px."""
    flat = points.reshape(1, -1, 3).expand(len(joints_px), -1, 3)
    return cameras.project(cameras.to_camera(flat)).view(joints_px.shape) - joints_px
