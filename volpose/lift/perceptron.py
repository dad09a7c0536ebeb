"""The multilayer perceptron that lifts coordinates to coordinates: the volume's competitor.

After Martinez et al., "A simple yet effective baseline for 3d human pose estimation", ICCV 2017.
Differences: layer norm instead of batch norm; no dropout, for no sample is seen twice.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from volpose.model import near_zero


class Perceptron(nn.Module):
    """2D joints and their confidences -> 3D joints, by fully connected layers.

    Args:
        num_joints: J.
        features: width.
        residuals: blocks of two layers, each added to its input.
    """

    def __init__(self, num_joints: int = 17, features: int = 512, residuals: int = 2) -> None:
        super().__init__()
        self.enter = nn.Linear(3 * num_joints, features)
        self.blocks = nn.ModuleList(_block(features) for _ in range(residuals))
        self.leave = near_zero(nn.Linear(features, 3 * num_joints))

    def forward(
        self, joints: Float[Tensor, "batch joints 2"], confidence: Float[Tensor, "batch joints"]
    ) -> Float[Tensor, "batch joints 3"]:
        """Joints in [-1, 1], the sides of the crop -> places in the unit cube of `Grid.to_unit`."""
        sure = confidence[..., None]
        x = self.enter(torch.cat([joints * (sure > 0), sure], -1).flatten(1))
        for block in self.blocks:
            x = x + block(x)
        return self.leave(x).unflatten(-1, (joints.shape[1], 3))


def _block(features: int) -> nn.Sequential:
    return nn.Sequential(
        nn.LayerNorm(features),
        nn.Linear(features, features),
        nn.ReLU(inplace=True),
        nn.LayerNorm(features),
        nn.Linear(features, features),
        nn.ReLU(inplace=True),
    )
