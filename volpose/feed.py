"""What each step of a training run sees: chosen by number, read ahead of time."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

import torch
from jaxtyping import Float, Int
from torch import Tensor

from volpose.augment import draw
from volpose.data.samples import Samples
from volpose.recipe import TrainConfig
from volpose.team import Team

AHEAD = 4  # batches that wait to be used
READERS = 2  # threads: reading and decoding leave Python's lock to others


class Feed:
    """The batches of a run, from one step on, read by threads while the network computes.

    Which samples a step sees, and how each is varied, depends on the seed and the number of the
    step alone. Of a batch's positions 0, 1, 2, ... process r of n takes r, r + n, ...; position k
    always shows a sample whose number leaves the remainder k when divided by the batch size. So a
    process needs every n-th sample only, and n processes together see what one would.

    Args:
        config: of the run.
        data: the training set.
        first, last: the steps to feed.
        team: the processes of the run.

    Raises:
        ValueError: the data set has less than one batch, or the processes cannot share a batch
            evenly.

    Attributes:
        waited: seconds that the run stood still for lack of data.
    """

    def __init__(
        self, config: TrainConfig, data: Samples, first: int, last: int, team: Team
    ) -> None:
        self.config, self.data, self.team = config, data, team
        self.waited = 0.0
        team.check_batch(config.batch_size)
        batch_order(config, first, len(data))  # an error now, not later
        self._batches = self._read_ahead(first, last)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        return self

    def __next__(self) -> tuple[Tensor, Tensor, Tensor]:
        """Images (B, 3, S, S) uint8, places (B, J, 3), and their random numbers (B, 7)."""
        start = time.perf_counter()
        try:
            return next(self._batches)
        finally:
            self.waited += time.perf_counter() - start

    def close(self) -> None:
        """Stop reading."""
        self._batches.close()

    def _read_ahead(self, first: int, last: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        with ThreadPoolExecutor(READERS) as readers:
            waiting = deque()
            try:
                for step in range(first, last):
                    waiting.append(readers.submit(self._read, step))
                    if len(waiting) > AHEAD:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                for future in waiting:
                    future.cancel()

    def _read(self, step: int) -> tuple[Tensor, Tensor, Tensor]:
        mine = slice(self.team.rank, None, self.team.size)
        rows = batch_order(self.config, step, len(self.data))[mine]
        batch = self.data.batch(rows.tolist())
        places = batch.places(self.config.network.image_size)
        return batch.image, places, chances(self.config, step)[mine]


def chances(config: TrainConfig, step: int) -> Float[Tensor, "B 7"]:
    """The random numbers that vary the pictures of a step, of all processes."""
    return draw(config.batch_size, _generator(config.seed, 2, step))


def batch_order(config: TrainConfig, step: int, count: int) -> Int[Tensor, " B"]:
    """The numbers of the samples that a step sees, in all processes together.

    An epoch shows every sample once, but for the last ``count % batch_size``.

    Raises:
        ValueError: the data set has less than one batch.
    """
    per_epoch = count // config.batch_size
    if per_epoch == 0:
        raise ValueError(
            f"batch_size {config.batch_size} is larger than the data set ({count} samples)"
        )
    epoch, row = divmod(step, per_epoch)
    return _epoch_order(config.seed, epoch, per_epoch, config.batch_size)[row]


@lru_cache(maxsize=2)
def _epoch_order(seed: int, epoch: int, steps: int, batch: int) -> Int[Tensor, "steps batch"]:
    """Column k holds the numbers k, k + batch, k + 2 batch, ... in random order."""
    keys = torch.rand(steps, batch, generator=_generator(seed, 1, epoch), dtype=torch.float64)
    return keys.argsort(0) * batch + torch.arange(batch)


def _generator(seed: int, stream: int, count: int) -> torch.Generator:
    """A random stream that depends on nothing but three numbers."""
    return torch.Generator().manual_seed((seed * 4 + stream) * 1_000_003 + count)
