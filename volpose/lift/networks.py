"""The networks that lift 2D joints: fully connected layers, with two ways to answer.

After Martinez et al., "A simple yet effective baseline for 3d human pose estimation", ICCV 2017.
Differences: layer norm instead of batch norm; no dropout, for no sample is seen twice; which way is
up is an input.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from volpose.lift.lines import Lines
from volpose.model import near_zero


class Perceptron(nn.Module):
    """2D joints, their confidences and the direction up -> 3D joints: the volume's competitor.

    Args:
        num_joints: J.
        features: width.
        residuals: blocks of two layers, each added to its input.
        answers: numbers for each joint.
    """

    def __init__(
        self, num_joints: int = 17, features: int = 512, residuals: int = 2, answers: int = 3
    ) -> None:
        super().__init__()
        self.enter = nn.Linear(3 * num_joints + 3, features)
        self.blocks = nn.ModuleList(_block(features) for _ in range(residuals))
        self.leave = near_zero(nn.Linear(features, answers * num_joints))

    def forward(
        self,
        joints: Float[Tensor, "batch joints 2"],
        confidence: Float[Tensor, "batch joints"],
        up: Float[Tensor, "batch 3"],
    ) -> Float[Tensor, "batch joints answers"]:
        """Joints in 2D -> their places in the unit cube of `Grid.to_unit`.

        Args:
            joints: in [-1, 1], the sides of the crop.
            confidence: 0 for a joint that was not found.
            up: unit vectors, 0 where it is not known.
        """
        sure = confidence[..., None]
        known = torch.where(sure > 0, joints, torch.zeros_like(joints))  # others may be NaN
        seen = torch.cat([known, sure], -1).flatten(1)
        x = self.enter(torch.cat([seen, up], -1))
        for block in self.blocks:
            x = x + block(x)
        return self.leave(x).float().unflatten(-1, (joints.shape[1], -1))


class JointsToVolume(nn.Module):
    """The same layers, that answer with a volume for each joint.

    The second half of the decoupled network, of whose input, heatmaps, it takes what a heatmap
    says: where the joint is and how high its peak.

    Args:
        shape: (D, H, W) of the volumes.
        sigma: of their targets, voxels.
        num_joints, features, residuals: as in `Perceptron`.

    Paper: Sec. 3.3, which names no layers.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        sigma: float,
        num_joints: int = 17,
        features: int = 512,
        residuals: int = 2,
    ) -> None:
        super().__init__()
        self.shape, self.sigma = shape, sigma
        self.scores = Perceptron(num_joints, features, residuals, sum(shape))

    def forward(
        self,
        joints: Float[Tensor, "batch joints 2"],
        confidence: Float[Tensor, "batch joints"],
        up: Float[Tensor, "batch 3"],
    ) -> Lines:
        """Joints in 2D -> their likelihoods in 3D; arguments as in `Perceptron.forward`."""
        return Lines.of_scores(self.scores(joints, confidence, up), self.shape, self.sigma)


def _block(features: int) -> nn.Sequential:
    return nn.Sequential(
        nn.LayerNorm(features),
        nn.Linear(features, features),
        nn.ReLU(inplace=True),
        nn.LayerNorm(features),
        nn.Linear(features, features),
        nn.ReLU(inplace=True),
    )
