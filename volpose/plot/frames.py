"""Limbs drawn into pictures and the frames of a video, pixel by pixel."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from PIL import Image, ImageDraw
from torch import Tensor

from volpose.plot.style import (
    COLORS,
    THIN,
    as_array,
    as_pixels,
    check_joints,
    is_guess,
    limbs_of_side,
    side_of,
)
from volpose.skeleton import Skeleton

WIDTH = 0.012  # of a limb, of the person's extent
DASHES = 9  # along a right limb, every other one drawn


def draw_on_picture(
    image: UInt8[Tensor, "3 height width"],
    joints_px: Float[Tensor, "joints 2"],
    skeleton: Skeleton,
    guessed: Bool[Tensor, " joints"] | None = None,
) -> UInt8[Tensor, "3 height width"]:
    """A copy of a picture with a person's limbs in it: left solid, right dashed, guessed ones thin.

    Args:
        image: RGB.
        joints_px: px; NaN for a joint that is not known.
        skeleton: of the joints.
        guessed: which joints nobody has seen; a limb is guessed if one of its ends is.

    Raises:
        ValueError: there are other numbers of joints.
    """
    check_joints("joints_px", joints_px, skeleton)
    at = as_array(joints_px)
    picture = Image.fromarray(as_pixels(image))
    brush = ImageDraw.Draw(picture)
    extent = float(np.nanmax(np.nanmax(at, 0) - np.nanmin(at, 0), initial=1.0))
    width = max(2, round(WIDTH * extent))
    for parent, joint in limbs_of_side(at, skeleton):
        side = side_of(skeleton, joint)
        thin = is_guess(guessed, (parent, joint))
        line = max(1, round(THIN * width)) if thin else width
        for start, end in _strokes(at[parent], at[joint], side == "right"):
            ends = [*start.tolist(), *end.tolist()]
            if not thin:
                brush.line(ends, fill="white", width=line + 2)
            brush.line(ends, fill=COLORS[side], width=line)
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1).contiguous()


def _strokes(start: np.ndarray, end: np.ndarray, dashed: bool) -> list[tuple]:
    if not dashed:
        return [(start, end)]
    marks = [start + (end - start) * k / DASHES for k in range(DASHES + 1)]
    return [(marks[k], marks[k + 1]) for k in range(0, DASHES, 2)]
