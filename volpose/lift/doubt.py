"""How far off in depth a lifted joint may be, read off how widely its volume is spread.

A volume is never narrower than the targets it was trained with, and how much wider it becomes in
doubt is the network's own affair. So nothing is computed from the spread itself: people whose depth
is known show which errors go with which spread, for each joint, and the answer is looked up there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import normalize

from volpose.decode import Volume
from volpose.grid import Grid
from volpose.refine import spread
from volpose.skeleton import H36M_17

SHARE = 2 / 3  # of joints like it, that are no further off
LEVELS = 10  # of spread, with equally many joints each
# of each joint but the root, whose depth is 0: what left and right have in common
PARTS = {
    joint: name.removeprefix("left_").removeprefix("right_")
    for joint, name in enumerate(H36M_17.joints)
    if joint != H36M_17.root
}
KEYS = ("spread_mm", "error_mm")


@dataclass(frozen=True)
class Doubt:
    """Which errors in depth go with which spread, for one network.

    Attributes:
        tables: for each part of the body, such as "knee": spreads of volumes along z (standard
            deviations, mm), and beside each the error (mm) that `SHARE` of such joints do not
            exceed. Neither falls.

    Paper: not in the paper.
    """

    tables: Mapping[str, Mapping[str, list[float]]]

    @classmethod
    def of_card(cls, card: Mapping) -> Doubt | None:
        """What a network's card says under "doubt", if anything.

        Raises:
            ValueError: a part of the body has no such table.
        """
        tables = card.get("doubt")
        if tables is None:
            return None
        for part in dict.fromkeys(PARTS.values()):
            try:
                columns = np.array([tables[part][key] for key in KEYS], dtype=float)
            except (KeyError, TypeError, ValueError):
                columns = np.empty(0)
            shaped = columns.ndim == 2 and columns.shape[1] > 1 and np.isfinite(columns).all()
            if not (shaped and (columns >= 0).all() and (np.diff(columns) >= 0).all()):
                raise ValueError(
                    f"the weights' card must have for every part of the body (doubt) two lists, "
                    f"{' and '.join(KEYS)}, of one length and of numbers that are not negative and "
                    f"do not fall; {part} has others"
                )
        return cls(tables)

    @classmethod
    def fit(cls, spread: Float[Tensor, "poses 17"], error: Float[Tensor, "poses 17"]) -> Doubt:
        """From people whose depth is known.

        Args:
            spread: of the volumes along z, a standard deviation, mm.
            error: distance of each joint from the truth along z, mm.

        Raises:
            ValueError: fewer than `LEVELS` poses, or a number that is none.
        """
        if len(spread) < LEVELS or not bool((spread + error).isfinite().all()):
            raise ValueError(
                f"expected spread and error of at least {LEVELS} poses, all finite, got "
                f"{len(spread)} poses"
            )
        tables = {}
        for part in dict.fromkeys(PARTS.values()):
            joints = [joint for joint, name in PARTS.items() if name == part]
            wide, off = (values[:, joints].flatten().double().numpy() for values in (spread, error))
            groups = np.array_split(wide.argsort(kind="stable"), LEVELS)
            usual = np.maximum.accumulate([np.quantile(off[group], SHARE) for group in groups])
            middle = [wide[group].mean() for group in groups]
            columns = ([round(float(each), 1) for each in column] for column in (middle, usual))
            tables[part] = dict(zip(KEYS, columns, strict=True))
        return cls(tables)

    def at(self, spread: Float[Tensor, "*any 17"]) -> Float[Tensor, "*any 17"]:
        """The errors in mm that go with spreads, between those that are known; 0 for the root."""
        found, wide = torch.zeros_like(spread), spread.double().cpu().numpy()
        for joint, part in PARTS.items():
            known = np.interp(wide[..., joint], *(self.tables[part][key] for key in KEYS))
            found[..., joint] = torch.as_tensor(known).to(spread)
        return found


def depth_spread(
    volume: Volume, voxels: Float[Tensor, "*batch 3"], grid: Grid
) -> Float[Tensor, "*batch"]:
    """How widely volumes are spread along z around each joint: a standard deviation, mm.

    Args: as in `volpose.refine.spread`.
    """
    return spread(volume, voxels, grid)[..., 2, 2].sqrt()


def share_by_part(within: Float[Tensor, "*any 17"]) -> dict[str, float]:
    """Part of the body -> the share of its joints that are within their doubt (1) or not (0)."""
    parts = dict.fromkeys(PARTS.values())
    joints = {part: [joint for joint, name in PARTS.items() if name == part] for part in parts}
    return {part: round(float(within[..., of].mean()), 3) for part, of in joints.items()}


def guesses(doubt: Float[Tensor, "*frames joints"] | None) -> Bool[Tensor, "*frames joints"] | None:
    """Which joints were guessed: those without a doubt where others have one; None if none has."""
    return None if doubt is None or bool(doubt.isnan().all()) else doubt.isnan()


def doubt_bars(
    pose: Float[Tensor, "*any joints 3"],
    rays: Float[Tensor, "*any joints 3"],
    doubt: Float[Tensor, "*any joints"],
    root: int = H36M_17.root,
) -> Float[Tensor, "*any joints 2 3"]:
    """In front of and behind each joint, where its doubt ends: both ends of a bar along its ray.

    Args:
        pose: mm, camera frame, relative to the root or not.
        rays: from the camera to each joint, of any length.
        doubt: mm in depth, which is along the ray to the root.
        root: number of the root.
    """
    depth = (rays * normalize(rays[..., root : root + 1, :], dim=-1)).sum(-1, keepdim=True)
    off = doubt[..., None] * rays / depth
    return torch.stack([pose - off, pose + off], -2)
