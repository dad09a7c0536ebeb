"""What the lifting network sees, one heatmap for each joint: drawn, or those of another network."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from volpose.camera import Camera
from volpose.crop import Box, to_crop, to_image
from volpose.grid import Grid
from volpose.lift.cameras import seen_from, turned_to
from volpose.lift.faults import Found
from volpose.targets import gaussian

MARGIN = 1.25


class Heatmaps(NamedTuple):
    """What a network for pictures says about the places of joints.

    Attributes:
        values: likelihoods; of volumes, the largest along the depth.
        box: of the crops in the camera's picture.
    """

    values: Float[Tensor, "batch joints height width"]
    box: Box


def draw_heatmaps(
    found: Found, grid: Grid, sigma: float = 1.0, blur: Float[Tensor, "batch joints"] | None = None
) -> Float[Tensor, "batch joints height width"]:
    """One Gaussian for each joint, as high as the joint is certain; zeros for a missing one.

    Args:
        found: joints in crop pixels of the grid.
        grid: H, W and the size of the crop.
        sigma: voxels.
        blur: factors of sigma, for each joint.

    Paper: Sec. 3.3; as Eq. 2 with one slice.
    """
    there = found.confidence[..., None] > 0
    at = torch.where(there, found.joints, 0.0) / found.joints.new_tensor(grid.voxel_size[:2]) - 0.5
    spread = sigma * (torch.ones_like(found.confidence) if blur is None else blur)[..., None]
    _, height, width = grid.shape
    x, y = (gaussian(at[..., axis], count, spread) for axis, count in enumerate((width, height)))
    return (found.confidence[..., None] * y)[..., None] * x[..., None, :]


def framed(
    found: Found, camera: Camera, crop_size: float = 256.0, margin: float | Tensor = MARGIN
) -> tuple[Found, Camera, Box]:
    """Turn the camera to the person, and cut the crop that the network sees.

    Args:
        found: joints in the camera's picture, px.
        camera: one, or one for each person.
        crop_size: side of the crop, px.
        margin: of the box around the joints that were found.

    Returns:
        The joints in the crop; the camera that looks at the middle of the person, whose world is
        the frame of the given camera; the box of the crop in that camera's picture.

    Raises:
        ValueError: a person has no joint, or all joints in one point.

    Paper: Sec. 4.3 for the crop; the camera is not turned in the paper.
    """
    view = turned_to(camera, Box.around(found.known()).center)
    seen = seen_from(view, camera, found.joints)
    sure = torch.where(seen.isfinite().all(-1), found.confidence, 0.0)
    box = Box.around(Found(seen, sure).known(), 1.0)
    box = Box(box.center, box.side * margin)
    return Found(to_crop(seen, box, crop_size), sure), view, box


def carried(
    heatmaps: Heatmaps, camera: Camera, view: Camera, box: Box, grid: Grid
) -> Float[Tensor, "batch joints height width"]:
    """Heatmaps of a crop of the camera's picture as they appear in the lifting network's crop.

    Args:
        heatmaps: of the camera's picture.
        camera, view, box: what `framed` was given, and what it gave.
        grid: of the lifting network.

    Returns:
        Interpolated between cells; 0 outside of the given crops, and never below.

    Paper: Sec. 3.3, where both halves see the same crop.
    """
    _, height, width = grid.shape
    x, y = ((torch.arange(n) + 0.5) / n * grid.crop_size for n in (width, height))
    cells = torch.stack(torch.meshgrid(x, y, indexing="xy"), -1).flatten(0, 1)
    cells = cells.expand(len(heatmaps.values), -1, -1)
    rays = view.back_project(to_image(cells, box, grid.crop_size), torch.ones_like(cells[..., 0]))
    at = to_crop(camera.project(view.to_world(rays)), heatmaps.box, 2.0) - 1
    at = at.unflatten(1, (height, width))
    return F.grid_sample(heatmaps.values.clamp(min=0), at, align_corners=False)
