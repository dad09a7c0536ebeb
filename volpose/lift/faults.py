"""Faults of detectors: the 2D joints of a person as a detector might have found them.

Pixels are those of a crop of 256 px around the person, whatever the size of the picture.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from volpose.skeleton import H36M_17, mirror_joints

CROP = 256.0
FEWEST = 4  # joints: with less there is nothing to lift


class Found(NamedTuple):
    """The 2D joints of a batch of people, as found in pictures.

    Attributes:
        joints: (B, J, 2) px; any number where a joint was not found.
        confidence: (B, J) in [0, 1]; 0 for a joint that was not found.
    """

    joints: Float[Tensor, "*batch joints 2"]
    confidence: Float[Tensor, "*batch joints"]

    def known(self) -> Float[Tensor, "*batch joints 2"]:
        """The joints, NaN where they were not found."""
        return torch.where(self.confidence[..., None] > 0, self.joints, torch.nan)


def somebody(found: Found) -> Bool[Tensor, "*batch"]:
    """Whether enough joints were found, and not all in one point."""
    known = found.confidence > 0
    away = torch.where(known[..., None], found.joints, torch.nan).nanmean(-2, keepdim=True)
    apart = torch.where(known, (found.joints - away).norm(dim=-1), 0.0).amax(-1)
    return (known.sum(-1) >= FEWEST) & (apart > 1)


# joints (B, 17, 2) and side of the box (B,), px, and random numbers -> what was found
Detector = Callable[[Tensor, Tensor, torch.Generator], Found]


@dataclass(frozen=True)
class Faults:
    """How often a detector of training errs, and how far.

    Args:
        sharp: share of people whose joints are where they should be.
        jitter: largest sigma of a person's joints, px; people draw theirs between 0 and this.
        astray: share of joints that are found somewhere near, up to ``far`` px away.
        far: px.
        gaps: share of people of whom joints are missing, each with a chance up to ``missed``.
        missed: largest chance of a joint to be missing.
        cut: share of people whom the border of the picture cuts.
        swapped: share of people whose legs, or arms, have changed sides; all joints at once
            are as frequent as each of them.
        stand_ins: share of people whose thorax is the middle of the shoulders, and whose spine is
            the middle of thorax and pelvis, as for detectors that know neither.
        unsure: share of people with confidences below 1 that tell how far a joint may be off.
    """

    sharp: float = 0.5
    jitter: float = 8.0
    astray: float = 0.01
    far: float = 40.0
    gaps: float = 0.2
    missed: float = 0.3
    cut: float = 0.1
    swapped: float = 0.01
    stand_ins: float = 0.25
    unsure: float = 0.4

    def find(
        self,
        joints: Float[Tensor, "batch 17 2"],
        side: Float[Tensor, " batch"],
        generator: torch.Generator,
    ) -> Found:
        """What a detector with these faults finds.

        Args:
            joints: where they are, px, in the order of `H36M_17`.
            side: of the box around each person, px of the same picture.
            generator: of the random numbers.

        Paper: not in the paper; Sec. 3.3 trains on heatmaps without faults.
        """
        count = joints.shape[0]

        def chance(*shape: int) -> Tensor:
            return torch.rand(count, *shape, generator=generator)

        px = side[:, None] / CROP
        at = _swapped(joints, chance(3), self.swapped)
        at = torch.where(chance(1, 1) < self.stand_ins, _with_stand_ins(at), at)
        sigma = self.jitter * chance(1) * (chance(1) >= self.sharp) * (0.5 + chance(17))
        noise = sigma[..., None] * torch.randn(at.shape, generator=generator)
        stray = (chance(17, 1) < self.astray) * self.far * (2 * chance(17, 2) - 1)
        sure = torch.exp(-sigma / 20) * (0.6 + 0.4 * chance(17)) * (0.7 + 0.3 * chance(1))
        sure = torch.where(chance(1) < self.unsure, sure, torch.ones(()))
        lost = chance(17) < self.missed * chance(1) * (chance(1) < self.gaps)
        lost |= _beyond_border(at, chance(1), chance(1), chance(1) < self.cut)
        order = (chance(17) + 2 * lost).argsort(-1).argsort(-1)  # lost joints come last
        lost = lost & (order >= FEWEST) | ~at.isfinite().all(-1)
        sure = torch.where(lost, torch.zeros(()), sure)
        return Found(at + (noise + stray) * px[..., None], sure)


@dataclass(frozen=True)
class Counted:
    """A detector whose faults are counted.

    Args:
        sigma: of the noise of both coordinates, px.
        missing: joints that are not found, any but the root.
    """

    sigma: float = 0.0
    missing: int = 0

    def find(
        self,
        joints: Float[Tensor, "batch 17 2"],
        side: Float[Tensor, " batch"],
        generator: torch.Generator,
    ) -> Found:
        """As `Faults.find`. All confidences are 1 or 0."""
        noise = self.sigma * torch.randn(joints.shape, generator=generator)
        order = torch.rand(joints.shape[:2], generator=generator)
        order[:, H36M_17.root] = 2
        sure = (order.argsort(-1).argsort(-1) >= self.missing).to(joints.dtype)
        return Found(joints + noise * side[:, None, None] / CROP, sure)


@dataclass(frozen=True)
class Cut:
    """A detector that is right, but finds nothing of what the picture's border cuts off.

    Args:
        lost: names of those joints, without their sides.
    """

    lost: tuple[str, ...]

    def find(
        self,
        joints: Float[Tensor, "batch 17 2"],
        side: Float[Tensor, " batch"],
        generator: torch.Generator,
    ) -> Found:
        """As `Faults.find`. All confidences are 1 or 0."""
        kept = [not name.endswith(self.lost) for name in H36M_17.joints]
        return Found(joints, joints.new_tensor(kept).expand(joints.shape[:2]))


def _with_stand_ins(joints: Tensor) -> Tensor:
    joints = joints.clone()
    middle = joints[:, [H36M_17.index("left_shoulder"), H36M_17.index("right_shoulder")]].mean(1)
    joints[:, H36M_17.index("thorax")] = middle
    joints[:, H36M_17.index("spine")] = (middle + joints[:, H36M_17.root]) / 2
    return joints


def _swapped(joints: Tensor, chance: Tensor, share: float) -> Tensor:
    """Legs, arms or both change sides, by three independent chances (B, 3)."""
    twins = mirror_joints(joints, H36M_17)
    below = torch.tensor([n.endswith(("hip", "knee", "ankle")) for n in H36M_17.joints])
    legs, arms, both = (chance < share).unbind(-1)
    change = (legs ^ both)[:, None] & below | (arms ^ both)[:, None] & ~below
    return torch.where(change[..., None], twins, joints)


def _beyond_border(joints: Tensor, turn: Tensor, place: Tensor, cut: Tensor) -> Tensor:
    """(B, J), True beyond a border of the picture that crosses the person; the lowest most often.

    The border leaves at least 40 % of the person's extent.
    """
    x, y = joints.unbind(-1)
    along = torch.where(turn < 0.6, y, torch.where(turn < 0.8, x, torch.where(turn < 0.9, -x, -y)))
    low, high = along.amin(-1, keepdim=True), along.amax(-1, keepdim=True)
    return cut & (along > low + (0.4 + 0.6 * place) * (high - low))
