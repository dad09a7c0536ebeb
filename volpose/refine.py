"""After the network: choose the peaks of all joints together, and say how sure each one is."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from volpose.affine import AnyCamera
from volpose.crop import Box
from volpose.decode import Volume, between_voxels, metric_pose
from volpose.grid import Grid
from volpose.skeleton import Skeleton

LEAST = 1e-3  # of a peak's height: below it a peak is noise, and its logarithm says nothing


class Candidates(NamedTuple):
    """The highest peaks of each joint's volume.

    Attributes:
        voxels: (*batch, J, K, 3), x, y, z between the voxels; the highest first.
        height: (*batch, J, K), 0 where there are fewer than K peaks.
    """

    voxels: Float[Tensor, "*batch joints k 3"]
    height: Float[Tensor, "*batch joints k"]


def candidates(volume: Volume, count: int = 8) -> Candidates:
    """The highest local maxima of each joint's volume.

    Args:
        volume: likelihoods.
        count: K, how many.
    """
    volume = volume.float()
    peaks = torch.where(_highest_around(volume) == volume, volume, 0).flatten(-3)
    height, at = peaks.clamp(min=0).topk(count, dim=-1)
    rows, columns = volume.shape[-2:]
    top = torch.stack([at % columns, at // columns % rows, at // (columns * rows)], -1)
    between = [between_voxels(volume, one) for one in top.unbind(-2)]
    return Candidates(torch.stack(between, -2), height)


def _highest_around(volume: Tensor) -> Tensor:
    """The highest of each voxel and its 26 neighbors: many times faster than max_pool on a CPU."""
    for axis in (-3, -2, -1):
        last = volume.shape[axis] - 1
        higher = torch.maximum(volume.narrow(axis, 0, last), volume.narrow(axis, 1, last))
        ends = volume.narrow(axis, 0, 1), volume.narrow(axis, last, 1)
        before = torch.cat([ends[0], higher], axis)
        after = torch.cat([higher, ends[1]], axis)
        volume = torch.maximum(before, after)
    return volume


def pictorial_structures(
    found: Candidates,
    grid: Grid,
    skeleton: Skeleton,
    lengths: Float[Tensor, "*#batch limbs"],
    box: Box,
    camera: AnyCamera,
    root_depth: Float[Tensor, "*batch"],
    tolerance: float = 160.0,
    most: float = 2.0,
) -> Float[Tensor, "*batch joints 3"]:
    """One peak for each joint, so that the limbs have about the lengths they should have.

    The skeleton is a tree, so the best choice of all joints together is found by dynamic
    programming from the leaves to the root: K^2 comparisons a limb instead of K^J.

    Args:
        found: peaks of the volumes.
        grid, skeleton: of the volumes.
        lengths: of the skeleton's limbs, mm.
        box, camera, root_depth: as in `volpose.decode.metric_pose`, which measures the limbs.
        tolerance: mm; a limb that is off by it costs as much as a peak lower by the factor e^-1/2.
        most: what a limb can cost, whatever its length: a hidden joint may have no good peak.

    Returns:
        Voxels x, y, z.

    Paper: not in the paper; Sec. 3.1 names pictorial structures as a use of the volumes.
    """
    places = grid.to_places(found.voxels)
    places[..., skeleton.root, :, 2] = 0
    count = places.shape[-2]
    # (*batch, J, K, 3) as poses of J * K joints
    pose = metric_pose(places.flatten(-3, -2), box, camera, root_depth, grid.crop_size)
    pose = pose.unflatten(-2, (-1, count))
    cost = -found.height.clamp(min=LEAST).log()
    best: dict[int, Tensor] = {}  # joint -> which of its peaks goes with each of its parent's
    for limb, (parent, joint) in reversed(_from_the_root(skeleton)):
        length = (pose[..., parent, :, None, :] - pose[..., joint, None, :, :]).norm(dim=-1)
        off = (length - lengths[..., limb, None, None].to(length)) / tolerance
        together = (off.square() / 2).clamp(max=most) + cost[..., joint, None, :]
        lowest, best[joint] = together.min(-1)
        cost[..., parent, :] += lowest
    chosen = {skeleton.root: cost[..., skeleton.root, :].argmin(-1)}
    for _, (parent, joint) in _from_the_root(skeleton):
        chosen[joint] = best[joint].gather(-1, chosen[parent][..., None])[..., 0]
    pick = torch.stack([chosen[joint] for joint in range(skeleton.num_joints)], -1)
    return found.voxels.take_along_dim(pick[..., None, None], -2)[..., 0, :]


def _from_the_root(skeleton: Skeleton) -> list[tuple[int, tuple[int, int]]]:
    """The limbs with their numbers, each after the one that leads to it."""
    left, reached, order = list(enumerate(skeleton.limbs)), {skeleton.root}, []
    while left:
        now = [item for item in left if item[1][0] in reached]
        order += now
        reached |= {joint for _, (_, joint) in now}
        left = [item for item in left if item not in now]
    return order


def spread(
    volume: Volume, voxels: Float[Tensor, "*batch 3"], grid: Grid
) -> Float[Tensor, "*batch 3 3"]:
    """How widely the likelihood lies around each joint, as a covariance of places.

    Args:
        volume: likelihoods.
        voxels: of the joints, x, y, z: around which to measure.
        grid: of the volumes.

    Returns:
        Covariances of x, y (crop pixels) and z (mm).

    Paper: not in the paper.
    """
    weight = volume.float().clamp(min=0)
    weight = weight / weight.sum((-3, -2, -1), keepdim=True).clamp(min=1e-12)
    offsets = [
        (torch.arange(n, device=volume.device) - voxels[..., axis, None]) * size
        for axis, (n, size) in enumerate(zip(volume.shape[:-4:-1], grid.voxel_size, strict=True))
    ]
    planes = {(0, 1): weight.sum(-3), (0, 2): weight.sum(-2), (1, 2): weight.sum(-1)}
    covariance = weight.new_zeros(*voxels.shape[:-1], 3, 3)
    for (a, b), plane in planes.items():  # (..., n_b, n_a)
        mixed = torch.einsum("...ba,...a,...b->...", plane, offsets[a], offsets[b])
        covariance[..., a, b] = covariance[..., b, a] = mixed
    for axis in range(3):
        other = 1 if axis == 0 else 0
        line = planes[min(axis, other), max(axis, other)].sum(-2 if axis < other else -1)
        covariance[..., axis, axis] = (line * offsets[axis].square()).sum(-1)
    return covariance


def metric_spread(
    covariance: Float[Tensor, "*batch joints 3 3"],
    places: Float[Tensor, "*batch joints 3"],
    box: Box,
    camera: AnyCamera,
    root_depth: Float[Tensor, "*#batch"],
    crop_size: float = 256.0,
) -> Float[Tensor, "*batch joints 3 3"]:
    """Covariances of places as covariances of joints in mm, in the camera's frame.

    A pixel is so many mm at the joint's depth, and an error in depth moves the joint along its
    ray, which is not the optical axis. The root's own depth counts as known.

    Args:
        covariance: of x, y (crop pixels) and z (mm), as `spread` gives them.
        places, box, camera, root_depth, crop_size: as in `volpose.decode.metric_pose`.

    Paper: not in the paper.
    """
    lifted = [
        metric_pose(places + step, box, camera, root_depth, crop_size)
        for step in torch.cat([places.new_zeros(1, 3), torch.eye(3).to(places)])
    ]
    # how a joint moves with x, y and z: exact, because lifting is linear in each of them
    moves = torch.stack([moved - lifted[0] for moved in lifted[1:]], -1)
    return moves @ covariance @ moves.mT
