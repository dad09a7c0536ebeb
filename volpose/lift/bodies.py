"""Other people: limbs and limb lengths drawn anew, and mirror images.

Motion capture has many poses of few bodies. Its hips are where markers say, Human3.6M's are wider,
and every data set has a nose of its own; a network that is to stand behind any detector must have
met them all.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from volpose.skeleton import H36M_17, ROOT, Skeleton, mirror_joints

# (lowest, highest) factor of a limb, named by the joint at its end; one draw for both sides
FACTORS = {
    "hip": (0.9, 1.7),  # the markers' hips are 0.15 to 0.19 m apart, Human3.6M's 0.27 m
    "knee": (0.9, 1.1),
    "ankle": (0.9, 1.1),
    "spine": (0.85, 1.15),
    "thorax": (0.85, 1.15),
    "nose": (0.6, 1.15),  # from the upper neck to the tip of the nose
    "head_top": (0.7, 1.15),
    "shoulder": (0.7, 1.1),
    "elbow": (0.88, 1.14),
    "wrist": (0.88, 1.14),
}
STATURE = (0.88, 1.1)
RECOMBINED = 0.5  # share of people
BENT = 0.12  # largest sigma, in their own length, by which the ends of limbs are moved
# A joint that an arm or leg hangs from, its twin, and the two ends of the trunk beside it: with
# these the arm or leg of one person is put on another, whichever way the two turn and bend.
HINGES = {
    "left_hip": ("left_hip", "right_hip", "pelvis", "spine"),
    "right_hip": ("left_hip", "right_hip", "pelvis", "spine"),
    "left_shoulder": ("left_shoulder", "right_shoulder", "spine", "thorax"),
    "right_shoulder": ("left_shoulder", "right_shoulder", "spine", "thorax"),
}
SIDES = 0.02  # how much left and right may differ, either way


def resample_bodies(
    pose: Float[Tensor, "batch joints 3"],
    generator: torch.Generator,
    skeleton: Skeleton = H36M_17,
) -> Float[Tensor, "batch joints 3"]:
    """Give every person a body of their own; limbs keep their directions.

    Args:
        pose: mm, in any frame; the root stays where it is. NaN stays NaN.
        generator: of the random numbers.
        skeleton: of the pose, with the joint names of `H36M_17`.

    Paper: not in the paper, whose second half saw the bodies of the motion capture.
    """
    parts = [name.removeprefix("left_").removeprefix("right_") for name in skeleton.joints]
    names = list(FACTORS)
    low, high = torch.tensor(list(FACTORS.values())).T
    drawn = low + (high - low) * torch.rand(len(pose), len(names), generator=generator)
    stature = STATURE[0] + (STATURE[1] - STATURE[0]) * torch.rand(len(pose), 1, generator=generator)
    columns = [names.index(parts[joint]) for _, joint in skeleton.limbs]
    sides = 1 + SIDES * (2 * torch.rand(len(pose), len(columns), generator=generator) - 1)
    factor = drawn[:, columns] * stature * sides
    start, end = (list(side) for side in zip(*skeleton.limbs, strict=True))
    whole = _without_gaps(pose, skeleton)
    limbs = (whole[:, end] - whole[:, start]) * factor[..., None]
    moved = whole[:, skeleton.root, None] + _chains(skeleton)[:, end] @ limbs
    return torch.where(pose.isfinite(), moved, torch.nan)


def recombine(
    pose: Float[Tensor, "batch joints 3"],
    generator: torch.Generator,
    skeleton: Skeleton = H36M_17,
) -> Float[Tensor, "batch joints 3"]:
    """New poses from those there are: arms and legs of others, and limbs bent a little.

    Every other person is changed, at random, and of these every other arm and leg is that of
    another person of the batch.

    Args:
        pose: mm, in any frame.
        generator: of the random numbers.
        skeleton: of the pose, with the joint names of `H36M_17`.

    Paper: not in the paper; few subjects were recorded, and a network learns their poses by heart.
    """
    whole = _without_gaps(pose, skeleton)
    mixed = _bent(_with_limbs_of_others(whole, generator, skeleton), generator, skeleton)
    changed = torch.rand(len(pose), 1, 1, generator=generator) < RECOMBINED
    return torch.where(changed & pose.isfinite(), mixed, pose)


def _with_limbs_of_others(
    pose: Tensor, generator: torch.Generator, skeleton: Skeleton
) -> Float[Tensor, "batch joints 3"]:
    mixed = pose.clone()
    for hinge, names in HINGES.items():
        start = skeleton.index(hinge)
        middle = skeleton.parents.index(start)
        rows = [middle, skeleton.parents.index(middle)]
        other = pose[torch.randperm(len(pose), generator=generator)]
        turn = _trunk(pose, names, skeleton) @ _trunk(other, names, skeleton).mT
        moved = (other[:, rows] - other[:, [start]]) @ turn.mT + pose[:, [start]]
        chosen = torch.rand(len(pose), 1, 1, generator=generator) < 0.5
        mixed[:, rows] = torch.where(chosen, moved, pose[:, rows])
    return mixed


def _bent(
    pose: Tensor, generator: torch.Generator, skeleton: Skeleton
) -> Float[Tensor, "batch joints 3"]:
    """All limbs turned a little, but for hips and shoulders, which lie across the trunk."""
    start, end = (list(side) for side in zip(*skeleton.limbs, strict=True))
    limbs = pose[:, end] - pose[:, start]
    length = limbs.norm(dim=-1, keepdim=True)
    sigma = BENT * length * torch.rand(len(pose), 1, 1, generator=generator)
    turned = limbs + sigma * torch.randn(limbs.shape, generator=generator)
    turned = length * normalize(turned, dim=-1)
    across = torch.tensor([skeleton.joints[joint] in HINGES for joint in end])[:, None]
    limbs = torch.where(across, limbs, turned)
    return pose[:, skeleton.root, None] + _chains(skeleton)[:, end] @ limbs


def _trunk(pose: Tensor, names: tuple[str, ...], skeleton: Skeleton) -> Float[Tensor, "batch 3 3"]:
    """Axes of a trunk, as columns: to the left, up, and forward or back."""
    left, right, low, high = (pose[:, skeleton.index(name)] for name in names)
    across, up = normalize(left - right, dim=-1), high - low
    up = normalize(up - (up * across).sum(-1, keepdim=True) * across, dim=-1)
    return torch.stack([across, up, torch.linalg.cross(across, up)], -1)


def mirror_some(
    pose: Float[Tensor, "batch joints 3"],
    generator: torch.Generator,
    skeleton: Skeleton = H36M_17,
) -> Float[Tensor, "batch joints 3"]:
    """Turn every other person, at random, into their mirror image (x becomes -x).

    Args:
        pose: mm, in any frame.
        generator: of the random numbers.
        skeleton: of the pose.
    """
    mirrored = mirror_joints(pose, skeleton) * pose.new_tensor([-1.0, 1.0, 1.0])
    chosen = torch.rand(len(pose), 1, 1, generator=generator) < 0.5
    return torch.where(chosen, mirrored, pose)


def _without_gaps(pose: Tensor, skeleton: Skeleton) -> Float[Tensor, "batch joints 3"]:
    """An unknown joint is put on its parent, so that what hangs from it keeps its place."""
    whole = pose.clone()
    for parent, joint in sorted(skeleton.limbs):  # parents first
        whole[:, joint] = torch.where(pose[:, joint].isfinite(), pose[:, joint], whole[:, parent])
    return whole


def _chains(skeleton: Skeleton) -> Float[Tensor, "joints joints"]:
    """Row j has a 1 for every joint on the way from j up to the root, the root not included."""
    chains = torch.zeros(skeleton.num_joints, skeleton.num_joints)
    for joint in range(skeleton.num_joints):
        at = joint
        while skeleton.parents[at] != ROOT:
            chains[joint, at] = 1
            at = skeleton.parents[at]
    return chains
