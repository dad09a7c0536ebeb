"""Volumes that are the product of three lines: what a lifting network says of a joint.

A line of sight is known where a joint was found; what has to be said anew is how likely each depth
is. A likelihood along x, one along y and one along z say it with W + H + D numbers, and all that is
asked of the volume, its loss and its center of mass, follows from the lines alone.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from volpose.targets import GaussianTarget


class Lines(NamedTuple):
    """The likelihoods of joints along the axes of the grid.

    Attributes:
        x, y, z: not negative; as high as those of a `GaussianTarget` where they are as sharp.
    """

    x: Float[Tensor, "*batch joints width"]
    y: Float[Tensor, "*batch joints height"]
    z: Float[Tensor, "*batch joints depth"]

    @classmethod
    def of_scores(
        cls, scores: Float[Tensor, "*batch cells"], shape: tuple[int, int, int], sigma: float
    ) -> Lines:
        """Lines from scores of any size, by a softmax along each.

        Args:
            scores: of the cells along x, then y, then z.
            shape: (D, H, W) of the grid.
            sigma: of the targets, voxels; a line that is their Gaussian has its peak at 1.
        """
        height = math.sqrt(2 * math.pi) * sigma
        return cls(*(height * part.softmax(-1) for part in scores.split(shape[::-1], -1)))

    def volume(self) -> Float[Tensor, "*batch joints depth height width"]:
        """The product of the lines."""
        return self.z[..., :, None, None] * self.y[..., None, :, None] * self.x[..., None, None, :]

    def center(self) -> Float[Tensor, "*batch joints 3"]:
        """The volume's center of mass, voxels x, y, z; as `volpose.decode.integral_voxel`."""
        means = []
        for line in self:
            at = torch.arange(line.shape[-1], device=line.device, dtype=line.dtype)
            means.append((line * at).sum(-1) / line.sum(-1))
        return torch.stack(means, -1)


def lines_loss(lines: Lines, target: GaussianTarget) -> Float[Tensor, ""]:
    """The paper's loss on volumes, relative to the target's energy, without building a volume.

    Both volumes are products, so the sums over their voxels are products of sums over lines.

    Args:
        lines: predicted.
        target: of the same shape; joints that are not valid do not count.

    Returns:
        The mean over all joints of the batch, valid or not; 1 for lines of zeros.

    Paper: Sec. 3.1, Eq. 3.
    """
    pairs = [(a, b) for a, b in zip(lines, target[:3], strict=True)]
    own = math.prod(a.square().sum(-1) for a, _ in pairs)
    both = math.prod((a * b).sum(-1) for a, b in pairs)
    energy = target.energy()
    distance = (own - 2 * both + energy) / energy.clamp(min=1e-6)
    return torch.where(target.valid, distance, 0.0).mean()
