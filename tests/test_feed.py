"""The feed: the same order however it is shared, each sample once, and no thread left behind."""

import threading
from dataclasses import dataclass, replace
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.small import CONFIG
from volpose.feed import Feed, batch_order, chances
from volpose.team import Team


@dataclass
class Numbers:
    """A data set whose pictures are their numbers; number ``bad`` cannot be read."""

    count: int
    bad: int = -1

    def __len__(self):
        return self.count

    def batch(self, indices):
        if self.bad in indices:
            raise OSError(f"picture {self.bad} is gone")
        numbers = torch.tensor(indices)
        return SimpleNamespace(image=numbers, places=lambda size: numbers)


@pytest.fixture(autouse=True)
def _no_thread_is_left():
    before = threading.active_count()
    yield
    assert threading.active_count() == before


def test_every_epoch_shows_every_image_once_in_a_new_order():
    steps = [batch_order(CONFIG, step, 32).tolist() for step in range(12)]
    epochs = [[i for step in steps[first : first + 4] for i in step] for first in (0, 4, 8)]
    assert all(sorted(epoch) == list(range(32)) for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2]
    with pytest.raises(ValueError, match="batch_size 8 is larger than the data set"):
        batch_order(CONFIG, 0, 5)


@settings(max_examples=20)
@given(
    share=st.integers(1, 3),
    size=st.integers(1, 4),
    rest=st.integers(0, 20),
    first=st.integers(0, 40),
    steps=st.integers(0, 12),
    seed=st.integers(0, 2**32 - 1),
)
def test_processes_together_see_what_one_would(share, size, rest, first, steps, seed):
    batch = share * size
    config, data = replace(CONFIG, batch_size=batch, seed=seed), Numbers(3 * batch + rest)
    feeds = [Feed(config, data, first, first + steps, Team(rank, size)) for rank in range(size)]
    shown = []
    for step, parts in enumerate(zip(*feeds, strict=True), first):
        images = torch.stack([images for images, _, _ in parts], 1).flatten()
        random = torch.stack([chance for _, _, chance in parts], 1).flatten(0, 1)
        assert torch.equal(images, batch_order(config, step, len(data)))
        assert torch.equal(random, chances(config, step))
        assert torch.equal(images % batch, torch.arange(batch))
        for rank, (mine, _, _) in enumerate(parts):
            assert (mine % size == rank).all()
        shown += images.tolist()
    assert len(shown) == steps * batch
    per_epoch = len(data) // batch
    start = -first % per_epoch * batch  # of the first whole epoch
    for begin in range(start, len(shown) - per_epoch * batch + 1, per_epoch * batch):
        assert len(set(shown[begin : begin + per_epoch * batch])) == per_epoch * batch


def test_processes_that_cannot_share_a_batch_evenly_are_refused():
    with pytest.raises(ValueError, match=r"batch_size must be a multiple of .* \(3\), got 8"):
        Feed(CONFIG, Numbers(32), 0, 4, Team(0, 3))


def test_an_error_reaches_the_caller_as_itself_and_not_before_its_turn():
    bad_step = next(s for s in range(4) if 12 in batch_order(CONFIG, s, 32))
    feed = Feed(CONFIG, Numbers(32, bad=12), 0, 20, Team())
    for _ in range(bad_step):
        next(feed)
    with pytest.raises(OSError, match=r"^picture 12 is gone$"):
        next(feed)
    feed.close()


def test_close_ends_the_threads():
    unread = Feed(CONFIG, Numbers(32), 0, 100, Team())
    unread.close()
    feed = Feed(CONFIG, Numbers(32), 0, 100, Team())
    next(feed)
    names = [thread.name for thread in threading.enumerate()]
    assert any("ThreadPoolExecutor" in name for name in names)
    feed.close()
    with pytest.raises(StopIteration):
        next(feed)
