"""The feed: the same order however it is shared, each sample once, and no thread left behind."""

import threading
import time
from dataclasses import dataclass, replace
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.small import CONFIG
from volpose.ahead import read_ahead
from volpose.feed import Feed, batch_order, chances
from volpose.skeleton import H36M_17
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
        places = numbers[:, None, None].expand(-1, H36M_17.num_joints, 3).float()
        return SimpleNamespace(image=numbers, places=lambda size: places, skeleton=H36M_17)


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


def test_a_batch_of_two_data_sets_has_its_share_of_each():
    config = replace(CONFIG, share_2d=0.25)
    feeds = [Feed(config, Numbers(32), 0, 20, Team(r, 2), Numbers(9)) for r in range(2)]
    once, known = [], []
    for parts in zip(*feeds, strict=True):
        for rank, (images, places, chance) in enumerate(parts):
            assert len(images) == len(chance) == 4
            assert (images % 2 == rank).all()
            known.append(places[:, :, 2].isfinite().all(1).tolist())
            assert torch.equal(places[..., 0], images[:, None].expand(-1, 17).float())
        once.append([int(images[-1]) for images, _, _ in parts])
    assert known == [[True, True, True, False]] * 40
    epoch = [number for pair in once[:4] for number in pair]
    assert sorted(epoch) == list(range(8))  # all of the second data set but for one
    assert once[:4] != once[4:8]


def test_a_share_with_2d_labels_needs_a_data_set_and_a_data_set_a_share():
    with pytest.raises(ValueError, match=r"share_2d is 0.0, but .* is given"):
        Feed(CONFIG, Numbers(32), 0, 4, Team(), Numbers(9))
    with pytest.raises(ValueError, match=r"share_2d is 0.5, but .* is missing"):
        Feed(replace(CONFIG, share_2d=0.5), Numbers(32), 0, 4, Team())
    for share in (0.01, 0.99, 1.0, -0.5):
        with pytest.raises(ValueError, match="share_2d must leave pictures of both kinds"):
            replace(CONFIG, share_2d=share)


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


def test_reading_ahead_keeps_the_order_and_the_errors():
    def read(number: int) -> int:
        time.sleep(0.002 * (number % 3))
        if number == 30:
            raise ValueError("thirty")
        return number

    assert list(read_ahead(read, range(25))) == list(range(25))
    found = read_ahead(read, range(60))
    assert [next(found) for _ in range(30)] == list(range(30))
    with pytest.raises(ValueError, match="thirty"):
        next(found)
    assert list(read_ahead(read, [])) == []
