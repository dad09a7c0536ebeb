"""Joints that a detector has put where no joint of the person can be."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

# mm, about, between joints of a grown-up; of either side where a name has none
APART = {
    ("hip", "knee"): 420.0,
    ("knee", "ankle"): 420.0,
    ("hip", "ankle"): 840.0,  # or an ankle would be astray wherever its knee is
    ("shoulder", "elbow"): 280.0,
    ("elbow", "wrist"): 250.0,
    ("shoulder", "wrist"): 530.0,
    ("shoulder", "hip"): 500.0,
    ("pelvis", "hip"): 110.0,
    ("pelvis", "spine"): 230.0,
    ("spine", "thorax"): 250.0,
    ("thorax", "shoulder"): 190.0,
    ("pelvis", "thorax"): 480.0,
    **{(part, "shoulder"): 260.0 for part in ("nose", "neck", "left_ear", "right_ear")},
    **{(part, "shoulder"): 280.0 for part in ("left_eye", "right_eye")},
    ("head_top", "shoulder"): 380.0,
    ("left_shoulder", "right_shoulder"): 350.0,
    ("left_hip", "right_hip"): 200.0,
}
# Times as long, for their length in mm, as others look. Motion capture (one virtual camera for each
# pose of the test) stays below 1.4, with noise of 10 px at 256 below 2.1; where three joints in ten
# are missing as well, one person in a few thousand has more than 2.5.
LONGEST = 2.5
NEIGHBORS, OTHERS = 2, 8  # distances at least, or nothing is said


def strays(
    joints_px: Float[Tensor, "K 2"], known: Bool[Tensor, " K"], names: tuple[str, ...]
) -> Bool[Tensor, " K"]:
    """Which joints are astray: all their distances to neighbors look far too long.

    A distance looks shorter than it is where it points at the camera, but hardly longer than the
    longest others do. Others are those that have nothing to do with the joint, nor with one more,
    whichever it is: that one may be astray as well. One joint far off would make the box so large
    that the person is hardly seen in it.

    Args:
        joints_px: of one person, as a detector lists them, px.
        known: which of them were found.
        names: of the joints, as in `volpose.lift.formats.FORMATS`.

    Returns:
        False for joints that were not found, or have too few neighbors that were.

    Paper: not in the paper.
    """
    start, end, usual, own, apart = _pairs(names)
    both = known[start] & known[end]
    looks = (joints_px[end] - joints_px[start]).norm(dim=-1) / usual
    shortest = torch.where(own & both, looks, torch.inf).amin(-1)
    longest = torch.where(apart & both, looks, 0.0).amax(-1).amin(-1)
    enough = ((own & both).sum(-1) >= NEIGHBORS) & ((~own & both).sum(-1) >= OTHERS)
    return enough & (longest > 0) & (shortest > LONGEST * longest)


class _Pairs(NamedTuple):
    """The pairs of `APART` that a format has: both ends, mm.

    Attributes:
        own: (K, pairs), which of them have to do with a joint.
        apart: (K, K, pairs), which have nothing to do with either of two.
    """

    start: list[int]
    end: list[int]
    usual: Tensor
    own: Tensor
    apart: Tensor


@cache
def _pairs(names: tuple[str, ...]) -> _Pairs:
    found = {}
    for pair, mm in APART.items():
        for side in ("left_", "right_"):
            ends = [end if end in names else side + end for end in pair]
            if all(end in names for end in ends):
                found[names.index(ends[0]), names.index(ends[1])] = mm
    start, end = (list(part) for part in zip(*found, strict=True))
    joints = range(len(names))
    own = torch.tensor([[joint in pair for pair in found] for joint in joints])
    apart = ~(own[:, None] | own[None])
    return _Pairs(start, end, torch.tensor(list(found.values())), own, apart)
