"""What the lifting network sees: joints, or another network's heatmaps, in a crop of the person."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from volpose.camera import Camera
from volpose.crop import Box, to_crop, to_image
from volpose.decode import confidence, integral_voxel
from volpose.lift.cameras import seen_from, turned_to
from volpose.lift.faults import Found

MARGIN = 1.25
# x, y of someone who stands upright, parts of the height, in the order of `H36M_17`: how far does a
# person reach beyond the joints that were found?
STANDING = (
    *((0.0, 0.47), (-0.07, 0.47), (-0.07, 0.73), (-0.07, 0.96)),  # pelvis, right leg
    *((0.07, 0.47), (0.07, 0.73), (0.07, 0.96)),  # left leg
    *((0.0, 0.34), (0.0, 0.19), (0.0, 0.09), (0.0, 0.0)),  # spine to the top of the head
    *((0.1, 0.2), (0.1, 0.36), (0.1, 0.5)),  # left arm
    *((-0.1, 0.2), (-0.1, 0.36), (-0.1, 0.5)),  # right arm
)
FURTHEST = 2.5  # times the extent of what was found: the smaller in its crop, the worse it is read


class Heatmaps(NamedTuple):
    """What a network for pictures says about the places of joints.

    Attributes:
        values: likelihoods; of volumes, the largest along the depth.
        box: of the crops in the camera's picture.
    """

    values: Float[Tensor, "batch joints height width"]
    box: Box


def read_heatmaps(heatmaps: Heatmaps) -> Found:
    """What the second half takes of heatmaps: where the joints are, and how high the peaks.

    Args:
        heatmaps: of a network for pictures; what is below zero counts as zero.

    Returns:
        The centers of mass, px of the camera's picture; the peaks' heights, clamped to [0, 1].

    Paper: Sec. 3.3.
    """
    flat = heatmaps.values[:, :, None]  # volumes of one slice
    height, width = flat.shape[-2:]
    cells = integral_voxel(flat)[..., :2] + 0.5
    at = to_image(cells / cells.new_tensor([width, height]), heatmaps.box, 1.0)
    return Found(at, confidence(flat))


def reach(found: Found) -> Float[Tensor, "*batch"]:
    """How much larger than the extent of the joints that were found a person may be.

    Joints that the border of a picture cuts off need a place in the crop, for a volume knows none
    outside it. The extent of someone who stands upright, divided by that of the same joints of
    theirs; 1 if a foot and the head were found, at most `FURTHEST`.

    Args:
        found: joints, and which of them are known.

    Paper: not in the paper, whose boxes are around whole people.
    """
    standing = found.joints.new_tensor(STANDING)
    known = found.confidence[..., None] > 0
    low = torch.where(known, standing, torch.inf).amin(-2)
    high = torch.where(known, standing, -torch.inf).amax(-2)
    whole = (standing.amax(0) - standing.amin(0)).max()
    return (whole / (high - low).amax(-1).clamp(min=1e-6)).clamp(1.0, FURTHEST)


def framed(
    found: Found, camera: Camera, crop_size: float = 256.0, margin: float | Tensor = MARGIN
) -> tuple[Found, Camera, Box]:
    """Turn the camera to the person, and cut the crop that the network sees.

    Args:
        found: joints in the camera's picture, px.
        camera: one, or one for each person.
        crop_size: side of the crop, px.
        margin: of the box around the joints that were found, times their `reach`.

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
    box = Box(box.center, box.side * margin * reach(found))
    return Found(to_crop(seen, box, crop_size), sure), view, box
