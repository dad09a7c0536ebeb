"""People before virtual cameras, as a detector finds them: a sample of training or of a test."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from volpose.camera import Camera
from volpose.crop import Box, to_crop
from volpose.lift.cameras import ROLL, directions, virtual_cameras
from volpose.lift.faults import Detector, Found
from volpose.lift.heatmaps import MARGIN, framed
from volpose.skeleton import H36M_17


class Seen(NamedTuple):
    """People before virtual cameras.

    Attributes:
        found: what the detector says, in crop pixels.
        places: where the joints are: x, y in crop pixels, z in mm from the root.
        view: cameras that look straight at the people.
        box: of the crops.
        pose: mm, in the frames of ``view``.
        up: which way is up, in these frames: unit vectors.
    """

    found: Found
    places: Float[Tensor, "batch 17 3"]
    view: Camera
    box: Box
    pose: Float[Tensor, "batch 17 3"]
    up: Float[Tensor, "batch 3"]


def seen_people(
    pose: Float[Tensor, "batch 17 3"],
    detector: Detector,
    generator: torch.Generator,
    crop_size: float = 256.0,
    margins: tuple[float, float] = (MARGIN, MARGIN),
    roll: float = ROLL,
) -> Seen:
    """Put a virtual camera before every pose and let a detector look.

    Args:
        pose: mm, z up.
        detector: finds joints.
        generator: of all random numbers.
        crop_size: side of the crops, px.
        margins: least and most margin of the boxes.
        roll: of the cameras, see `virtual_cameras`.
    """
    camera = virtual_cameras(pose, generator, roll)
    in_camera = camera.to_camera(pose)
    joints = camera.project(in_camera)
    seen = detector(joints, Box.around(joints, MARGIN).side, generator)
    low, high = margins
    margin = low + (high - low) * torch.rand(len(pose), generator=generator)
    at_origin = Camera(camera.focal, camera.center)
    crop, view, box = framed(seen, at_origin, crop_size, margin)
    turned = view.to_camera(in_camera)
    depth = turned[..., 2] - turned[:, H36M_17.root, None, 2]
    flat = to_crop(view.project(turned), box, crop_size)
    places = torch.cat([flat, depth[..., None]], -1)
    up = directions(view, camera.rotation[..., 2])  # the world's z
    return Seen(crop, places, view, box, turned, up)
