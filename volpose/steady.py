"""Video: what every frame says for itself becomes steadier with the frames before and after."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from scipy.ndimage import gaussian_filter1d
from torch import Tensor
from torch.nn import functional as F

from volpose.skeleton import Skeleton

LEAST = 0.02  # of the highest likelihood: no voxel is ruled out by one frame alone
REACH = 3.0  # standard deviations of a step that are drawn
AROUND = 0.1  # s around a frame, from which a limb that is too short takes its direction
LITTLE = 1e-6  # mm


def steady_volumes(
    volumes: Float[Tensor, "frames joints depth height width"],
    step: float = 0.7,
    lost: float = 0.02,
) -> Float[Tensor, "frames joints depth height width"]:
    """What each frame's volume says after all other frames were heard.

    A hidden Markov model for each joint: it moves by a Gaussian step from frame to frame, and now
    and then jumps anywhere; a volume is the likelihood of what was seen. The forward-backward
    algorithm gives the probability of every voxel at every frame. A peak that flickers to another
    place for one frame is outvoted by its neighbors, and a hidden joint is carried along.

    Volumes are compared voxel by voxel, so the boxes of neighboring frames should differ little.

    Args:
        volumes: of one person, frame after frame.
        step: standard deviation of the motion between frames, voxels.
        lost: share of jumps to anywhere.

    Returns:
        Volumes whose highest voxel is as likely as in the frame's own volume.

    Paper: not in the paper; Sec. 3.1 names filtering in time as a use of the volumes.
    """
    peak = volumes.float().amax((-3, -2, -1), keepdim=True).clamp(min=1e-12)
    seen = (volumes.float() / peak).clamp(min=LEAST)
    # a frame without a peak has little to say
    seen = seen.pow(peak.clamp(max=1))
    before = [_normalized(seen[0])]
    for frame in seen[1:]:
        before.append(_normalized(frame * _moved(before[-1], step, lost)))
    after = torch.ones_like(seen[-1])
    steady = [before[-1]]
    for number in range(len(seen) - 2, -1, -1):
        after = _normalized(_moved(_normalized(seen[number + 1] * after), step, lost))
        steady.append(_normalized(before[number] * after))
    found = torch.stack(steady[::-1])
    return found / found.amax((-3, -2, -1), keepdim=True) * peak


def steady_limbs(
    poses: Float[Tensor, "frames joints 3"],
    skeleton: Skeleton,
    fps: float,
    seen: Bool[Tensor, " frames"] | None = None,
) -> Float[Tensor, "frames joints 3"]:
    """A motion whose limbs keep their lengths, as a person's do.

    Every limb gets its median length, the mean of left and right. It keeps its direction, unless it
    was too short: the shorter, the less its direction says, and the more it takes from the frames
    around. From the root outwards joints move with it; then each frame is shifted, so that the mean
    of its joints stays where it was.

    Args:
        poses: mm, with the root's own motion or relative to it.
        skeleton: of the joints.
        fps: frames per second.
        seen: the frames whose lengths count; all without it.

    Returns:
        Poses as given.

    Raises:
        ValueError: a joint is not finite, fps is not positive, or no frame counts.

    Paper: not in the paper.
    """
    if not bool(poses.isfinite().all()) or not fps > 0:
        raise ValueError(f"poses must be finite and fps positive, got {fps} fps")
    if seen is not None and not bool(seen.any()):
        raise ValueError("at least one frame must be seen")
    start, end = (list(side) for side in zip(*skeleton.limbs, strict=True))
    limbs = poses[:, end] - poses[:, start]
    lengths = limbs.norm(dim=-1, keepdim=True)
    usual = (lengths if seen is None else lengths[seen]).quantile(0.5, dim=0)
    twins = [
        skeleton.limbs.index(tuple(skeleton.mirror[j] for j in limb)) for limb in skeleton.limbs
    ]
    usual = (usual + usual[twins]) / 2
    around = torch.from_numpy(gaussian_filter1d(limbs.double().numpy(), AROUND * fps, axis=0))
    limbs = torch.lerp(around.to(limbs), limbs, (lengths / usual.clamp(min=LITTLE)).clamp(max=1))
    limbs = limbs * usual / limbs.norm(dim=-1, keepdim=True).clamp(min=LITTLE)
    found, waiting = poses.clone(), [skeleton.root]
    while waiting:
        parent = waiting.pop()
        for number, (near, far) in enumerate(skeleton.limbs):
            if near == parent:
                found[:, far] = found[:, parent] + limbs[:, number]
                waiting.append(far)
    return found - (found - poses).mean(1, keepdim=True)


def _moved(belief: Tensor, step: float, lost: float) -> Tensor:
    """The belief (J, D, H, W) one frame later: blurred along each axis, and a little everywhere."""
    reach = max(1, round(REACH * step))
    bell = torch.exp(-torch.arange(-reach, reach + 1).to(belief).square() / (2 * step**2))
    bell = bell / bell.sum()
    found = belief[:, None]
    for axis in range(3):
        if belief.shape[1 + axis] == 1:  # a heatmap: nothing moves, or leaves the grid, in depth
            continue
        shape, padding = [1, 1, 1, 1, 1], [0, 0, 0]
        shape[2 + axis], padding[axis] = len(bell), reach
        found = F.conv3d(found, bell.view(shape), padding=padding)
    voxels = belief[0].numel()
    return (1 - lost) * found[:, 0] + lost / voxels


def _normalized(belief: Tensor) -> Tensor:
    return belief / belief.sum((-3, -2, -1), keepdim=True)
