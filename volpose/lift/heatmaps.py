"""From 2D joints to what the lifting network sees: one heatmap for each joint."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from volpose.camera import Camera
from volpose.crop import Box, to_crop
from volpose.grid import Grid
from volpose.lift.cameras import seen_from, turned_to
from volpose.lift.faults import Found
from volpose.targets import gaussian

MARGIN = 1.25


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
