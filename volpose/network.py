"""What has to be known of a network to build it and to read what it says."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields

from torch import nn

from volpose.decoupled import Decoupled
from volpose.grid import Grid
from volpose.lift.networks import JointsToVolume, Perceptron
from volpose.model import CoarseToFine, CoordinateRegression
from volpose.released import ReleasedCoarseToFine
from volpose.skeleton import SKELETONS

KINDS = ("coarse-to-fine", "coordinate", "decoupled", "released")  # from pictures
LIFTING = ("lift", "lift-perceptron")  # from 2D joints


@dataclass(frozen=True)
class NetworkConfig:
    """A network's kind and sizes, and the grid it predicts on.

    Args:
        kind: one of `KINDS` or `LIFTING`.
        z_bins: depth resolution of each volume; the last is the grid's.
        features, hourglass_depth, residuals: size of the network, as in `CoarseToFine`.
        image_size: side of the crop, px; heatmaps and volumes have a quarter of it.
        sigma: of the targets, voxels.
        depth_limits: of the grid, mm from the root.
        skeleton: a key of `SKELETONS`.

    Raises:
        ValueError: unknown kind or skeleton, or an image size that cannot be halved often enough.
    """

    kind: str = "coarse-to-fine"
    z_bins: tuple[int, ...] = (1, 2, 4, 64)
    features: int = 256
    hourglass_depth: int = 4
    residuals: int = 1
    image_size: int = 256
    sigma: float = 2.0
    depth_limits: tuple[float, float] = (-1000.0, 1000.0)
    skeleton: str = "h36m17"

    def __post_init__(self) -> None:
        if self.kind not in KINDS + LIFTING:
            raise ValueError(f"network kind must be one of {KINDS + LIFTING}, got {self.kind!r}")
        if self.skeleton not in SKELETONS:
            raise ValueError(f"skeleton must be one of {tuple(SKELETONS)}, got {self.skeleton!r}")
        multiple = 4 * 2**self.hourglass_depth
        if self.image_size < multiple or self.image_size % multiple:
            raise ValueError(
                f"image_size must be a multiple of {multiple} for hourglasses that halve "
                f"{self.hourglass_depth} times, got {self.image_size}"
            )

    @property
    def grid(self) -> Grid:
        """The finest grid of the stack."""
        side = self.image_size // 4
        return Grid((self.z_bins[-1], side, side), float(self.image_size), self.depth_limits)

    def build(self) -> nn.Module:
        """An untrained network."""
        joints = SKELETONS[self.skeleton].num_joints
        size = (self.features, self.hourglass_depth, self.residuals)
        if self.kind == "coordinate":
            return CoordinateRegression(joints, self.image_size // 4, *size)
        if self.kind == "released":
            return ReleasedCoarseToFine(joints, self.z_bins, self.features)
        if self.kind == "lift-perceptron":
            return Perceptron(joints, self.features, self.residuals)
        if self.kind == "lift":
            rest = (joints, self.features, self.residuals)
            return JointsToVolume(self.grid.shape, self.sigma, *rest)
        return (Decoupled if self.kind == "decoupled" else CoarseToFine)(joints, self.z_bins, *size)

    def to_json(self) -> dict:
        """The configuration as plain numbers, lists and strings."""
        return json.loads(json.dumps(asdict(self)))

    @classmethod
    def from_json(cls, values: dict) -> NetworkConfig:
        """Read what `to_json` wrote.

        Raises:
            ValueError: an entry is missing or unknown.
        """
        names = {f.name for f in fields(cls)}
        if set(values) != names:
            odd = sorted(set(values) ^ names)
            raise ValueError(f"network configuration: missing or unknown entries {odd}")
        return cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})
