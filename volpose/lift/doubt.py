"""How far off in depth a lifted joint may be, read off how widely its volume is spread.

A volume is never narrower than the targets it was trained with, and how much wider it becomes in
doubt is the network's own affair. So nothing is computed from the spread itself: people whose depth
is known show which errors go with which spread, and the answer is looked up among them.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from volpose.decode import Volume
from volpose.grid import Grid

SHARE = 2 / 3  # of joints like it, that are no further off
LEVELS = 20  # of spread, with equally many joints each


@dataclass(frozen=True)
class Doubt:
    """Which errors in depth go with which spread, for one network.

    Attributes:
        spread_mm: of volumes along z, standard deviations, never falling.
        error_mm: for each of them what `SHARE` of the joints do not exceed, likewise.

    Raises:
        ValueError: the two are not such lists.

    Paper: not in the paper.
    """

    spread_mm: tuple[float, ...]
    error_mm: tuple[float, ...]

    def __post_init__(self) -> None:
        spread, error = np.asarray(self.spread_mm, float), np.asarray(self.error_mm, float)
        lists = spread.shape == error.shape and spread.ndim == 1 and len(spread) > 1
        if not (lists and (np.diff(spread) >= 0).all() and (np.diff(error) >= 0).all()):
            raise ValueError(
                "a doubt needs two lists of one length whose numbers do not fall, got "
                f"{self.spread_mm} and {self.error_mm}"
            )

    @classmethod
    def fit(cls, spread: Float[Tensor, " joints"], error: Float[Tensor, " joints"]) -> Doubt:
        """From joints whose depth is known: spreads and distances from the truth along z, mm."""
        order = spread.argsort()
        groups = [
            np.array_split(values[order].double().numpy(), LEVELS) for values in (spread, error)
        ]
        middle = [round(float(group.mean()), 1) for group in groups[0]]
        usual = np.maximum.accumulate([np.quantile(group, SHARE) for group in groups[1]])
        return cls(tuple(middle), tuple(round(float(each), 1) for each in usual))

    @classmethod
    def of_card(cls, card: dict) -> Doubt | None:
        """What a network's card says of it, if anything."""
        found = card.get("doubt")
        return found and cls(tuple(found["spread_mm"]), tuple(found["error_mm"]))

    def to_json(self) -> dict[str, list[float]]:
        """For a card."""
        return {name: list(values) for name, values in asdict(self).items()}

    def at(self, spread: Float[Tensor, "*any"]) -> Float[Tensor, "*any"]:
        """The error in mm that goes with a spread; straight lines between those that are known."""
        found = np.interp(spread.double().numpy(), self.spread_mm, self.error_mm)
        return torch.from_numpy(found).to(spread)


def depth_spread(
    volume: Volume, voxels: Float[Tensor, "*batch 3"], grid: Grid
) -> Float[Tensor, "*batch"]:
    """How widely the likelihood lies before and behind each joint: a standard deviation, mm.

    Args:
        volume: likelihoods.
        voxels: of the joints, x, y, z.
        grid: of the volumes.

    Paper: not in the paper.
    """
    line = volume.float().clamp(min=0).sum((-2, -1))
    line = line / line.sum(-1, keepdim=True).clamp(min=1e-12)
    off = torch.arange(volume.shape[-3], device=volume.device) - voxels[..., 2:]
    return grid.voxel_size[2] * (line * off.square()).sum(-1).sqrt()


def along_sight(
    pose: Float[Tensor, "*any joints 3"],
    rays: Float[Tensor, "*any joints 3"],
    doubt: Float[Tensor, "*any joints"],
) -> Float[Tensor, "*any joints 2 3"]:
    """In front of and behind each joint, where its doubt ends: both ends of a bar.

    Args:
        pose: mm, camera frame, relative to the root or not.
        rays: from the camera to each joint, of any length.
        doubt: mm.
    """
    off = doubt[..., None] * normalize(rays, dim=-1)
    return torch.stack([pose - off, pose + off], -2)
