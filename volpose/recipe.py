"""Recipes: everything that decides how a training run goes, and the presets."""

from __future__ import annotations

import json
import math
from dataclasses import MISSING, asdict, dataclass, field, fields, replace

from volpose.augment import PAPER, Augmentation
from volpose.losses import REDUCTIONS
from volpose.network import NetworkConfig
from volpose.precision import PRECISIONS

STYLES = ("paper", "deep", "official")
RANDOM = "random"  # weights to begin with, from the seed
REAL = "none, real pictures"  # stands where the studio's variation would


@dataclass(frozen=True)
class TrainConfig:
    """A training run, all of it.

    Args:
        network: what is trained.
        images: size of the training set.
        samples: images seen in all.
        batch_size: images per step, over all processes.
        learning_rate: at the highest point of the schedule.
        optimizer: "adam", or "rmsprop" as in the paper.
        schedule: "cosine" to zero after ``warmup`` steps, or "constant" as in the paper.
        warmup: steps of linear increase.
        average: decay of a running average of the weights, which is then what is saved; 0 for none.
        reduction: of `volume_loss`.
        style: of the targets.
        near_zero: random weights of the last layer of every stage are near zero, see
            `volpose.model.near_zero`.
        start: checksum of the weights that the run begins with, `Estimator.checksum`, or
            "random".
        augmentation: of the training pictures.
        precision: "bf16", "fp32", or "auto", see `volpose.precision.has_fast_bf16`.
        share_2d: share of each batch whose labels are 2D; of a volume they teach what is seen along
            the depth, its maximum. Needs a second data set.
        apart: train the halves of a decoupled network apart: the second sees true heatmaps.
        recompute: forget the activations of each stage and compute them again for the gradient:
            less memory, more time, the same numbers.
        variation: the studio's setting; `REAL` for a real data set, which the weights' card names.
        seed: of random weights, order and augmentation.

    Raises:
        ValueError: a value is not one of its choices or out of its range.

    Paper: Sec. 4.3.
    """

    network: NetworkConfig
    images: int = 30_000
    samples: int = 128_000
    batch_size: int = 32
    learning_rate: float = 8e-3
    optimizer: str = "adam"
    schedule: str = "cosine"
    warmup: int = 50
    average: float = 0.0
    reduction: str = "relative"
    style: str = "paper"
    near_zero: bool = True
    start: str = RANDOM
    augmentation: Augmentation = field(default_factory=Augmentation)
    precision: str = "auto"
    share_2d: float = 0.0
    apart: bool = False
    recompute: bool = False
    variation: str = "default"
    seed: int = 0

    def __post_init__(self) -> None:
        for name, choices in (
            ("optimizer", ("adam", "rmsprop")),
            ("schedule", ("cosine", "constant")),
            ("reduction", REDUCTIONS),
            ("style", STYLES),
            ("precision", PRECISIONS),
        ):
            if getattr(self, name) not in choices:
                raise ValueError(f"{name} must be one of {choices}, got {getattr(self, name)!r}")
        for name in ("batch_size", "images", "samples"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not 0 < self.learning_rate < math.inf:
            raise ValueError(f"learning_rate must be positive and finite, got {self.learning_rate}")
        if self.apart and self.network.kind != "decoupled":
            raise ValueError(f"apart is for decoupled networks, not {self.network.kind!r}")
        if self.recompute and self.network.kind != "coarse-to-fine":
            raise ValueError(f"recompute is for coarse-to-fine networks, not {self.network.kind!r}")
        if not 0 <= self.average < 1:
            raise ValueError(f"average must be at least 0 and below 1, got {self.average}")
        if self.share_2d and not 0 < self.batch_2d < self.batch_size:
            raise ValueError(
                f"share_2d must leave pictures of both kinds in a batch of {self.batch_size}, "
                f"got {self.share_2d}"
            )
        if self.share_2d and (self.network.kind == "coordinate" or self.apart):
            raise ValueError("share_2d is for networks with volumes, trained as a whole")
        if self.samples < self.batch_size or self.images < self.batch_size:
            raise ValueError(
                f"images ({self.images}) and samples ({self.samples}) must be at least one batch "
                f"({self.batch_size})"
            )

    @property
    def steps(self) -> int:
        """Number of optimizer steps."""
        return self.samples // self.batch_size

    @property
    def batch_2d(self) -> int:
        """Images per step whose labels are 2D."""
        return round(self.share_2d * self.batch_size)

    def rate(self, step: int) -> float:
        """Learning rate of a step."""
        rise = min(1.0, (step + 1) / max(1, self.warmup))
        fall = 0.5 * (1 + math.cos(math.pi * step / self.steps))
        return self.learning_rate * rise * (fall if self.schedule == "cosine" else 1.0)

    def to_json(self) -> dict:
        """The recipe as plain numbers, lists and strings."""
        return json.loads(json.dumps(asdict(self)))


def completed(recipe: dict) -> dict:
    """A recipe that an older version wrote: an option that came later had its default."""
    usual = {option.name: option.default for option in fields(TrainConfig)}
    return {name: value for name, value in usual.items() if value is not MISSING} | recipe


TINY = NetworkConfig(z_bins=(1, 16), features=32, hourglass_depth=2, image_size=64, sigma=1.0)
LAPTOP = NetworkConfig(z_bins=(1, 32), features=64, hourglass_depth=3, image_size=64, sigma=1.0)
PRESETS = {
    # a minute on two cores, rendering included: to see everything work
    "tiny": TrainConfig(TINY, images=2_000, samples=12_800, batch_size=16, learning_rate=4e-3),
    # a quarter of an hour on two cores
    "laptop": TrainConfig(LAPTOP),
    # Sec. 4.3, and the released code for loss, first weights and color; Human3.6M at 10 frames a
    # second has so many images, four epochs
    "paper": TrainConfig(
        NetworkConfig(),
        images=312_000,
        samples=1_240_000,
        batch_size=4,
        learning_rate=2.5e-4,
        optimizer="rmsprop",
        schedule="constant",
        warmup=0,
        reduction="mean",
        near_zero=False,
        augmentation=PAPER,
    ),
}


def with_network(config: TrainConfig, kind: str) -> TrainConfig:
    """The same run for another kind of network, such as the coordinate-regression baseline."""
    z_bins = config.network.z_bins
    z_bins = (1, z_bins[-1]) if kind == "decoupled" else z_bins
    return replace(config, network=replace(config.network, kind=kind, z_bins=z_bins))


def with_paper_training(config: TrainConfig) -> TrainConfig:
    """The same network and data, trained like `paper`: optimizer, batch, loss, first weights.

    Paper: Sec. 4.3; what it leaves open is as in the released code.
    """
    paper = PRESETS["paper"]
    names = ("batch_size", "learning_rate", "optimizer", "schedule", "warmup", "average")
    names += ("reduction", "near_zero", "augmentation")
    return replace(config, **{name: getattr(paper, name) for name in names})
