"""One training run of the comparison: what it changes, its recipe, where its result lies."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from volpose.recipe import PRESETS, TrainConfig, with_paper_training
from volpose.reproduce.tables import ROWS, Row, file_name

# what a run of the comparison sees; a preset's own length would take days for all the rows
SAMPLES = {"tiny": 6_400, "laptop": 48_000, "paper": 1_240_000}
LONG = 4  # times as many: do the verdicts stay?
# where the search for a rate begins; it goes on while the best is at an edge
RATES = {"tiny": (4e-3, 1e-2), "laptop": (4e-3, 8e-3, 1.6e-2), "paper": (1e-4, 2.5e-4, 6e-4)}
SETTINGS = ("default", "hard")
SPLITS = {"train": None, "val": 1500, "test": 2000}  # samples; None is the recipe's
RMSPROP = "RMSprop"  # the paper's optimizer and nothing else; its rate is searched for
PAPER_TRAINING = "paper's training"  # batches of 4 with RMSprop, and all else of it
PAPER_TRAINING_RATE = 2.5e-4
ASKED = ("official targets", PAPER_TRAINING, RMSPROP)  # what does each of them cost?
HALF_RATE = "half the rate"  # does a table say the same where fewer trainings fail?
DEEP = "deep targets"  # are more slices worse because targets of one voxel are thinner in mm?
CHANGES = ("", *ASKED, HALF_RATE, DEEP)


@dataclass(frozen=True)
class Experiment:
    """One run.

    Args:
        preset: "tiny" (to see it work), "laptop" or "paper".
        setting: the studio's variation.
        row: name of a row of the tables.
        seed: of weights, order and augmentation.
        rate: learning rate.
        budget: "samples": all rows see as many; "time": all train as long as the row they are
            compared with; "rate": as "samples", but judged on the validation split.
        change: one of `CHANGES`.
        samples, images: seen in all, and different ones; None for the usual number.

    Paper: Tables 1 to 3.
    """

    preset: str
    setting: str
    row: str
    seed: int
    rate: float
    budget: str = "samples"
    change: str = ""
    samples: int | None = None
    images: int | None = None

    @property
    def name(self) -> str:
        """The name of its result, which says everything that is unusual about the run."""
        return self._named(with_rate=self.budget == "rate")

    @property
    def training(self) -> str:
        """The name of its training; the search for a rate and a row with that rate share theirs."""
        same = replace(self, change="") if self.change == HALF_RATE else self
        return same._named(with_rate=True)

    def _named(self, with_rate: bool) -> str:
        parts = [ROWS[self.row].label(PRESETS[self.preset].network.z_bins[-1])]
        parts += ["equal time"] if self.budget == "time" else []
        parts += [f"rate {self.rate:g}"] if with_rate else []
        parts += [self.change] if self.change else []
        if self.samples and (with_rate or self.budget != "time"):
            parts.append(f"{self.samples} samples")
        parts += [f"{self.images} images"] if self.images else []
        return file_name(" ".join([*parts, f"seed {self.seed}"]))

    @property
    def split(self) -> str:
        """Where it is evaluated; rates are never chosen on the test subjects."""
        return "val" if self.budget == "rate" else "test"

    def folder(self, root: Path) -> Path:
        """Where results (or runs) of its kind lie."""
        return root / f"{self.preset}-{self.setting}"

    def recipe(self) -> TrainConfig:
        """All of the run."""
        base = PRESETS[self.preset]
        row: Row = ROWS[self.row]
        config = replace(
            base,
            network=replace(base.network, **row.network(base.network)),
            variation=self.setting,
            learning_rate=self.rate,
            samples=self.samples or SAMPLES[self.preset],
            images=self.images or base.images,
            apart=row.apart,
            seed=self.seed,
        )
        if self.change == "official targets":
            config = replace(config, style="official")
        if self.change == DEEP:
            config = replace(config, style="deep")
        if self.change == RMSPROP:
            config = replace(config, optimizer="rmsprop")
        if self.change == PAPER_TRAINING:
            config = replace(with_paper_training(config), samples=config.samples)
        return config


def paper_training_samples(preset: str) -> int:
    """How many samples the paper's training sees in about the time of the usual training.

    A picture in a batch of 4 costs about three times as much.
    """
    return round(SAMPLES[preset] / 3)


def family(row: str) -> str:
    """Rows of a family share a learning rate.

    That of two hourglasses can be too high for four, that of coarse-to-fine too high for naive.
    """
    kind, bins = ROWS[row].kind, ROWS[row].z_bins
    if kind != "coarse-to-fine":
        return kind
    if len(bins) == 1:
        return "volume"
    naive = "naive" if bins[0] == bins[-1] else "coarse-to-fine"
    return f"{len(bins)} volumes, {naive}"


# the row in which a family's rate is searched
FAMILIES = {
    "coordinate": "coordinate regression",
    "volume": "volume 64",
    "2 volumes, naive": "64-64",
    "3 volumes, naive": "64-64-64",
    "4 volumes, naive": "64-64-64-64",
    "2 volumes, coarse-to-fine": "1-64",
    "3 volumes, coarse-to-fine": "1-2-64",
    "4 volumes, coarse-to-fine": "1-2-4-64",
    "decoupled": "decoupled",
}
