"""The decoupled network: image to 2D heatmaps, and heatmaps alone to a volume.

The second half never sees an image, so it can be trained on motion capture and be set behind any
detector of 2D joints: `volpose.lift` does that.
"""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn

from volpose.model import CoarseToFine, Residual, Stage, check_z_bins


class Decoupled(nn.Module):
    """Two networks in a row; the second sees the heatmaps of the first and nothing else.

    Args:
        z_bins: (1, d): the heatmaps and the volume.
        num_joints, features, hourglass_depth, residuals: as in `CoarseToFine`.

    Paper: Sec. 3.3, Table 3.
    """

    def __init__(
        self,
        num_joints: int = 17,
        z_bins: Sequence[int] = (1, 64),
        features: int = 256,
        hourglass_depth: int = 4,
        residuals: int = 1,
    ) -> None:
        super().__init__()
        self.z_bins = check_z_bins(z_bins)
        if len(self.z_bins) != 2 or self.z_bins[0] != 1:
            raise ValueError(f"z_bins of a decoupled network must be (1, d), got {z_bins}")
        rest = (features, hourglass_depth, residuals)
        self.image_to_heatmaps = CoarseToFine(num_joints, (1,), *rest)
        self.enter = nn.Sequential(
            nn.Conv2d(num_joints, features // 2, 3, padding=1),
            Residual(features // 2, features),
        )
        self.heatmaps_to_volume = Stage(num_joints, self.z_bins[1], *rest)

    def forward(self, images: Tensor, lifted: Tensor | None = None) -> list[Tensor]:
        """Images -> [heatmaps (B, J, 1, H, W), their (or ``lifted``'s) volume (B, J, d, H, W)]."""
        (heatmaps,) = self.image_to_heatmaps(images)
        return [heatmaps, self.lift(heatmaps if lifted is None else lifted)]

    def lift(self, heatmaps: Float[Tensor, "batch joints 1 height width"]) -> Tensor:
        """The second half alone: 2D heatmaps -> (B, J, d, H, W) volume."""
        return self.heatmaps_to_volume(self.enter(heatmaps.flatten(1, 2)))[1]
