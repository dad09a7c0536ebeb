"""Recipes: everything that decides how a training run goes, and the presets."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from volpose.network import NetworkConfig


@dataclass(frozen=True)
class TrainConfig:
    """A training run, all of it.

    Args:
        network: what is trained.
        images: size of the training set.
        samples: images seen in all.
        batch_size: images per step.
        learning_rate: at the highest point of the schedule.
        optimizer: "adam", or "rmsprop" as in the paper.
        schedule: "cosine" to zero after ``warmup`` steps, or "constant" as in the paper.
        warmup: steps of linear increase.
        reduction: of `volume_loss`.
        style: of the targets.
        mirror: mirror half of the images.
        variation: the studio's setting.
        seed: of weights, order and mirroring.
    """

    network: NetworkConfig
    images: int = 30_000
    samples: int = 160_000
    batch_size: int = 16
    learning_rate: float = 4e-3
    optimizer: str = "adam"
    schedule: str = "cosine"
    warmup: int = 50
    reduction: str = "relative"
    style: str = "paper"
    mirror: bool = True
    variation: str = "default"
    seed: int = 0

    def __post_init__(self) -> None:
        if self.optimizer not in ("adam", "rmsprop"):
            raise ValueError(f"optimizer must be adam or rmsprop, got {self.optimizer!r}")
        if self.schedule not in ("cosine", "constant"):
            raise ValueError(f"schedule must be cosine or constant, got {self.schedule!r}")
        for name in ("batch_size", "images", "samples"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.samples < self.batch_size or self.images < self.batch_size:
            raise ValueError(
                f"images ({self.images}) and samples ({self.samples}) must be at least one batch "
                f"({self.batch_size})"
            )

    @property
    def steps(self) -> int:
        """Number of optimizer steps."""
        return self.samples // self.batch_size

    def rate(self, step: int) -> float:
        """Learning rate of a step."""
        rise = min(1.0, (step + 1) / max(1, self.warmup))
        fall = 0.5 * (1 + math.cos(math.pi * step / self.steps))
        return self.learning_rate * rise * (fall if self.schedule == "cosine" else 1.0)


TINY = NetworkConfig(z_bins=(1, 32), features=64, hourglass_depth=3, image_size=64, sigma=1.0)
PRESETS = {"tiny": TrainConfig(TINY)}


def with_network(config: TrainConfig, kind: str) -> TrainConfig:
    """The same run for another kind of network, such as the coordinate-regression baseline."""
    z_bins = config.network.z_bins
    z_bins = (1, z_bins[-1]) if kind == "decoupled" else z_bins
    return replace(config, network=replace(config.network, kind=kind, z_bins=z_bins))
