"""Small things that several tests share: a tiny network, a tiny data set in memory."""

from functools import lru_cache

import torch

from volpose.data.samples import Batch
from volpose.network import NetworkConfig
from volpose.recipe import TrainConfig
from volpose.studio import Studio

NETWORK = NetworkConfig(z_bins=(1, 8), features=16, hourglass_depth=2, image_size=32, sigma=1.0)
CONFIG = TrainConfig(NETWORK, images=32, samples=256, batch_size=8, learning_rate=5e-3, warmup=5)


@lru_cache
def studio_batch(split: str = "train", count: int = 32, size: int = 32) -> Batch:
    """The first samples of a split, rendered once."""
    return Studio(split, size=size, count=count).batch(list(range(count)))


class InMemory:
    """A data set that is one batch."""

    def __init__(self, batch: Batch) -> None:
        self.whole = batch

    def __len__(self) -> int:
        return len(self.whole)

    def __str__(self) -> str:
        return "studio samples in memory"

    def batch(self, indices: list[int]) -> Batch:
        """The samples with these numbers."""
        whole, chosen = self.whole, torch.tensor(indices)
        return Batch(
            whole.image[chosen],
            whole.pose[chosen],
            whole.camera[chosen],
            whole.box[chosen],
            [whole.subject[i] for i in indices],
            [whole.action[i] for i in indices],
            [whole.index[i] for i in indices],
        )


def small_data(split: str = "train", count: int = 32) -> InMemory:
    """A data set of a few small studio samples."""
    return InMemory(studio_batch(split, count))
