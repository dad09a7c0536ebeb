"""The studio as a data set: every index is a picture, always the same one."""

from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from volpose.data.samples import Batch, Sample
from volpose.studio.actions import ACTIONS
from volpose.studio.look import NUM_CAMERAS, SUBJECTS, TEST_SUBJECTS, TRAIN_SUBJECTS
from volpose.studio.plan import FRAMES_PER_SECOND, SPLITS, Shot, film, shot_of
from volpose.studio.stage import Stage
from volpose.studio.variation import Variation

# lengths of the splits if nothing is said; any index below them costs the same
DEFAULT_COUNT = {"train": 100_000, "val": 3_000, "test": 6_000}
SMALLEST, LARGEST = 16, 1024  # px
LICENCE = "CC BY 4.0; trained on the volpose studio"  # of weights


class Studio:
    """Synthetic pictures of seven actors in fifteen actions, with exact poses.

    A sample is a pure function of (seed, split, index) and the options: the same pixels whatever
    the batch it is made in. Actors S1, S5, S6, S7, S8 train, S9 and S11 test, as in Human3.6M;
    validation takes other takes of the training actors.
    """

    licence = LICENCE

    def __init__(
        self,
        split: str = "train",
        size: int = 128,
        seed: int = 0,
        variation: str | Variation = "default",
        count: int | None = None,
        device: str | torch.device = "cpu",
        share: tuple[int, int] = (0, 1),
    ) -> None:
        """Open the studio; pictures are made when asked for.

        Args:
            split: train, val or test.
            size: of the crops, px.
            seed: another seed is another world: actors, clothes, room, motion.
            variation: `default`, `wild`, or a `Variation`.
            count: how many samples the split has; the first ones do not depend on it.
            device: where pictures are made and returned.
            share: (r, n) keeps samples r, r + n, r + 2n, ... only, numbered 0, 1, 2, ...

        Raises:
            ValueError: an argument is not one of its choices or out of its range.
        """
        if split not in SPLITS:
            raise ValueError(f"split must be one of {', '.join(SPLITS)}, but is {split!r}")
        if not SMALLEST <= size <= LARGEST:
            raise ValueError(f"size must be {SMALLEST} to {LARGEST} px, but is {size}")
        if seed < 0:
            raise ValueError(f"seed must not be negative, but is {seed}")
        if isinstance(variation, str):
            variation = Variation.named(variation, size)
        count = DEFAULT_COUNT[split] if count is None else count
        if count < 1:
            raise ValueError(f"count must be at least 1, but is {count}")
        self.split, self.size, self.seed = split, size, seed
        rank, size = share
        if not 0 <= rank < min(size, count):
            raise ValueError(f"share must be (r, n) with 0 <= r < n <= {count}, but is {share}")
        self.variation, self.share, self.device = variation, share, torch.device(device)
        self.count = len(range(rank, count, size))
        self._stage: Stage | None = None

    @property
    def stage(self) -> Stage:
        """Body, rooms and cameras; built when first needed."""
        if self._stage is None:
            room_stream = int(self.split == "test")
            self._stage = Stage(self.seed, self.variation, room_stream, self.device)
        return self._stage

    @property
    def configuration(self) -> dict:
        """Everything the pictures depend on, as plain values."""
        found = {
            "split": self.split,
            "size": self.size,
            "seed": self.seed,
            "count": self.count,
            "variation": self.variation.to_json(),
        }
        return found if self.share == (0, 1) else found | {"share": list(self.share)}

    def __len__(self) -> int:
        return self.count

    def __str__(self) -> str:
        return describe(self.configuration)

    def shot(self, index: int) -> Shot:
        """What sample `index` shows.

        Raises:
            IndexError: there is no such sample.
        """
        if not -self.count <= index < self.count:
            raise IndexError(f"index must be below {self.count}, but is {index}")
        rank, size = self.share
        return shot_of(self.seed, self.split, rank + size * (int(index) % self.count))

    def __getitem__(self, index: int) -> Sample:
        """One sample."""
        return self.batch([index])[0]

    def batch(self, indices: Sequence[int]) -> Batch:
        """The samples with the given numbers, made together."""
        if len(indices) == 0:
            raise ValueError("indices must name at least one sample, but is empty")
        return self.stage.shoot([self.shot(int(index)) for index in indices], self.size)

    def poses(self, indices: Sequence[int]) -> Float[Tensor, "batch 17 3"]:
        """The poses of the samples with the given numbers, mm, z up, without making a picture."""
        return self.stage.poses([self.shot(int(index)) for index in indices])

    def batches(self, batch_size: int = 32) -> Iterator[Batch]:
        """All samples in order, in batches; the last one may be smaller."""
        for start in range(0, self.count, batch_size):
            yield self.batch(range(start, min(start + batch_size, self.count)))

    def sequence(
        self,
        subject: str,
        action: str,
        take: int = 0,
        camera: int = 0,
        frames: int = 50,
        fps: float = FRAMES_PER_SECOND,
    ) -> Batch:
        """A film: successive frames of one take, seen by one camera.

        Args:
            subject: any of the seven actors.
            action: any of the fifteen actions.
            take: number of the take.
            camera: 0 to 3.
            frames: how many.
            fps: frames per second.

        Raises:
            ValueError: an argument is not one of its choices or out of its range.
        """
        if subject not in SUBJECTS:
            raise ValueError(f"subject must be one of {', '.join(SUBJECTS)}, but is {subject!r}")
        if action not in ACTIONS:
            raise ValueError(f"action must be one of {', '.join(ACTIONS)}, but is {action!r}")
        if not 0 <= camera < NUM_CAMERAS:
            raise ValueError(f"camera must be 0 to {NUM_CAMERAS - 1}, but is {camera}")
        if frames < 1 or fps <= 0 or take < 0:
            raise ValueError(
                "frames and fps must be positive and take not negative, "
                f"but they are {frames}, {fps} and {take}"
            )
        return self.stage.shoot(film(subject, action, take, camera, frames, fps), self.size)


def describe(configuration: dict) -> str:
    """A split in one line, for results."""
    subjects = " ".join(TEST_SUBJECTS if configuration["split"] == "test" else TRAIN_SUBJECTS)
    variation = Variation.from_json(configuration["variation"]).name
    return (
        f"studio {configuration['split']} ({subjects}), {variation} variation, "
        f"seed {configuration['seed']}, {configuration['count']} samples of "
        f"{configuration['size']} px"
        + (", share {} of {}".format(*configuration["share"]) if "share" in configuration else "")
    )
