"""Joints that a detector has put where no joint of the person can be."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from volpose.lift.faults import FEWEST, Found
from volpose.skeleton import H36M_17

# A limb looks at most so many times as long, for its length in mm, as the longest looking other.
# Motion capture with noise of 10 px at 256 reaches 2.5, without noise 1.3.
LONGEST = 2.5


def strays(found: Found, lengths: Float[Tensor, " limbs"]) -> Bool[Tensor, "batch joints"]:
    """Which joints are astray: all their limbs look far too long beside all others.

    Limbs look shorter than they are wherever they point at the camera, but hardly longer. One
    joint that is far off would make the box so large that the person is hardly seen in it.

    Args:
        found: (B, 17, 2) and (B, 17), in the order of `H36M_17`.
        lengths: usual ones, mm, as `volpose.estimator.Estimator.mean_limbs` has them.

    Returns:
        False for joints that were not found, or without a neighbor that was, or where there are
        fewer than `FEWEST` limbs to compare with.

    Paper: not in the paper.
    """
    known, start, end = found.known(), *map(list, zip(*H36M_17.limbs, strict=True))
    looks = (known[:, end] - known[:, start]).norm(dim=-1) / lengths  # NaN without both ends
    joints = range(H36M_17.num_joints)
    own = torch.tensor([[joint in limb for limb in H36M_17.limbs] for joint in joints])
    here, seen = looks[:, None], looks.isfinite()[:, None]
    shortest = torch.where(own & seen, here, torch.inf).amin(-1)
    others = ~own & seen
    longest = torch.where(others, here, 0.0).amax(-1)
    enough = (others.sum(-1) >= FEWEST) & (longest > 0)
    return shortest.isfinite() & enough & (shortest > LONGEST * longest)


def without_strays(found: Found, lengths: Float[Tensor, " limbs"]) -> Found:
    """The same joints, where those that are astray count as not found; see `strays`."""
    while bool((astray := strays(found, lengths)).any()):
        found = Found(found.joints, torch.where(astray, 0.0, found.confidence))
    return found
