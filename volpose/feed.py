"""What each step of a training run sees: chosen by number, read ahead of time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import lru_cache

import torch
from jaxtyping import Float, Int
from torch import Tensor

from volpose.ahead import read_ahead
from volpose.augment import draw
from volpose.data.samples import Samples
from volpose.recipe import TrainConfig
from volpose.skeleton import SKELETONS, convert_joints
from volpose.team import Team


class Feed:
    """The batches of a run, from one step on, read by threads while the network computes.

    Which samples a step sees, and how each is varied, depends on the seed and the number of the
    step alone. Of a batch's positions 0, 1, 2, ... process r of n takes r, r + n, ...; position k
    always shows a sample whose number leaves the remainder k when divided by the batch size. So a
    process needs every n-th sample only, and n processes together see what one would.

    Args:
        config: of the run.
        data: the training set.
        data_2d: where the share of the batch with 2D labels comes from; needed if there is one.
            Its pictures follow the others, and their depths are NaN.
        first, last: the steps to feed.
        team: the processes of the run.

    Raises:
        ValueError: a data set has less than one batch or is missing, or the processes cannot
            share a batch evenly.

    Attributes:
        waited: seconds that the run stood still for lack of data.
    """

    def __init__(
        self,
        config: TrainConfig,
        data: Samples,
        first: int,
        last: int,
        team: Team,
        data_2d: Samples | None = None,
    ) -> None:
        self.config, self.data, self.data_2d, self.team = config, data, data_2d, team
        self.waited = 0.0
        if (data_2d is None) != (config.batch_2d == 0):
            raise ValueError(
                f"share_2d is {config.share_2d}, but a data set with 2D labels is "
                f"{'missing' if data_2d is None else 'given'}"
            )
        team.check_batch(config.batch_size)
        team.check_batch(config.batch_2d)
        self._rows(first)  # an error now, not later
        self._batches = read_ahead(self.read, range(first, last))

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        return self

    def __next__(self) -> tuple[Tensor, ...]:
        """Images (B, 3, S, S) uint8, places (B, J, 3), and their random numbers (B, 7)."""
        start = time.perf_counter()
        try:
            return next(self._batches)
        finally:
            self.waited += time.perf_counter() - start

    def close(self) -> None:
        """Stop reading."""
        self._batches.close()

    def _rows(self, step: int) -> list[Tensor]:
        rows = [batch_order(self.config, step, len(self.data))]
        if self.data_2d is not None:
            rows.append(batch_order(self.config, step, len(self.data_2d), with_2d=True))
        return rows

    def read(self, step: int) -> tuple[Tensor, ...]:
        """What a step sees of the pictures: this process's share of the batch."""
        mine = slice(self.team.rank, None, self.team.size)
        rows, chance = self._rows(step), chances(self.config, step)
        sizes = [len(part) for part in rows]
        images, places = zip(
            *(self._part(d, part[mine]) for d, part in zip(self.sources, rows, strict=True)),
            strict=True,
        )
        chance = torch.cat([part[mine] for part in chance.split(sizes)])
        if len(images) == 1:
            return images[0], places[0], chance
        places[1][..., 2] = torch.nan
        return torch.cat(images), torch.cat(places), chance

    @property
    def sources(self) -> list[Samples]:
        """The data sets that a batch is made of."""
        return [self.data] if self.data_2d is None else [self.data, self.data_2d]

    def _part(self, data: Samples, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Images (n, 3, S, S), and places in the order of the network's joints."""
        batch, network = data.batch(rows.tolist()), self.config.network
        places = batch.places(network.image_size)
        return batch.image, convert_joints(places, batch.skeleton, SKELETONS[network.skeleton])[0]


def chances(config: TrainConfig, step: int) -> Float[Tensor, "B 7"]:
    """The random numbers that vary the pictures of a step, of all processes."""
    return draw(config.batch_size, random_stream(config.seed, 2, step))


def batch_order(
    config: TrainConfig, step: int, count: int, with_2d: bool = False
) -> Int[Tensor, " B"]:
    """The numbers of the samples that a step sees, in all processes together.

    An epoch shows every sample once, but for the last ``count % batch_size``.

    Args:
        config: of the run.
        step: which one.
        count: samples of the data set.
        with_2d: those of the data set with 2D labels.

    Raises:
        ValueError: the data set has less than one batch.
    """
    size = config.batch_2d if with_2d else config.batch_size - config.batch_2d
    per_epoch = count // size
    if per_epoch == 0:
        raise ValueError(f"batch_size {size} is larger than the data set ({count} samples)")
    epoch, row = divmod(step, per_epoch)
    stream = config.seed, 3 if with_2d else 1, epoch
    return _epoch_order(stream, per_epoch, size)[row]


@lru_cache(maxsize=4)
def _epoch_order(
    stream: tuple[int, int, int], steps: int, batch: int
) -> Int[Tensor, "steps batch"]:
    """Column k holds the numbers k, k + batch, k + 2 batch, ... in random order."""
    keys = torch.rand(steps, batch, generator=random_stream(*stream), dtype=torch.float64)
    return keys.argsort(0) * batch + torch.arange(batch)


def random_stream(seed: int, stream: int, count: int) -> torch.Generator:
    """A random stream that depends on nothing but three numbers; 1 to 3 are a `Feed`'s own."""
    return torch.Generator().manual_seed((seed * 4 + stream) * 1_000_003 + count)
