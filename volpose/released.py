"""The network as the authors released it (2017): twice as wide inside, wired by concatenation."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from volpose.model import Hourglass, Stem, check_z_bins, near_zero, normalized


class ReleasedCoarseToFine(nn.Module):
    """`CoarseToFine` in the wiring of the released Torch7 code, for comparison.

    Hourglasses have three residuals on each branch and double width at their output. The next
    hourglass sees the features of this stage beside those of the one before, not a sum with its
    own input. The last stage keeps the double width up to its head.

    Args:
        num_joints, z_bins, features: as in `CoarseToFine`.

    Paper: Sec. 3.2; the authors' hg-stacked model files.
    """

    def __init__(
        self, num_joints: int = 17, z_bins: Sequence[int] = (1, 2, 4, 64), features: int = 256
    ) -> None:
        super().__init__()
        self.z_bins = check_z_bins(z_bins)
        later = len(self.z_bins) - 1
        # width of what enters each hourglass: stem; stage 1 beside the pooled stem; two stages
        enters = [features, features + features // 2, *[2 * features] * later][: later + 1]
        leaves = [*[features] * later, 2 * features]
        self.stem = Stem(features, blocks=2)
        self.hourglasses = nn.ModuleList(
            Hourglass(4, e, features, 2 * features, residuals=3) for e in enters
        )
        self.after = nn.ModuleList(_after(2 * features, out) for out in leaves)
        self.heads = nn.ModuleList(
            near_zero(nn.Conv2d(out, num_joints * d, 1))
            for out, d in zip(leaves, self.z_bins, strict=True)
        )
        self.from_features = nn.ModuleList(nn.Conv2d(e, e, 1) for e in enters[1:])
        self.from_volume = nn.ModuleList(
            nn.Conv2d(num_joints * d, e, 1)
            for d, e in zip(self.z_bins[:-1], enters[1:], strict=True)
        )
        self.num_joints = num_joints

    def forward(self, images: Float[Tensor, "batch 3 side side"]) -> list[Tensor]:
        """Images in [0, 1] -> one (B, J, d, S/4, S/4) volume for each entry of ``z_bins``."""
        x, before = self.stem(images)
        volumes = []
        for i, d in enumerate(self.z_bins):
            features = self.after[i](self.hourglasses[i](x))
            channels = self.heads[i](features)
            volumes.append(channels.unflatten(1, (self.num_joints, d)))
            if i < len(self.from_volume):
                joined = self.from_features[i](torch.cat([features, before], 1))
                x = joined + self.from_volume[i](channels)
                before = features
        return volumes


def _after(width: int, out: int) -> nn.Sequential:
    """Two 1x1 convolutions, each with batch norm and ReLU."""
    return nn.Sequential(
        nn.Conv2d(width, width, 1), *normalized(width), nn.Conv2d(width, out, 1), *normalized(out)
    )
