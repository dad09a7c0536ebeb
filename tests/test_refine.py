"""After the network: peaks chosen together, and how widely the likelihood lies."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from tests.small import studio_batch
from volpose.decode import limb_lengths, metric_pose, peak_voxel
from volpose.grid import Grid
from volpose.metrics import mpjpe, root_relative
from volpose.refine import (
    LEAST,
    Candidates,
    candidates,
    metric_spread,
    pictorial_structures,
    spread,
)
from volpose.skeleton import H36M_17
from volpose.targets import gaussian_volume

GRID = Grid((32, 16, 16), 64.0)


def two_peaks(first, second, lower=0.6):
    drawn = [gaussian_volume(torch.tensor([[p]]), GRID, 1.0) for p in (first, second)]
    return torch.maximum(drawn[0], lower * drawn[1])


def test_candidates_are_the_peaks_between_the_voxels_the_highest_first():
    first, second = [3.3, 4.0, 20.6], [11.0, 9.7, 8.2]
    found = candidates(two_peaks(first, second), 3)
    torch.testing.assert_close(
        found.voxels[0, 0, :2], torch.tensor([first, second]), atol=0.03, rtol=0
    )
    assert found.height[0, 0, 0] > found.height[0, 0, 1] > 0.5
    assert found.height[0, 0, 2] < 1e-3


@pytest.mark.parametrize("shape", [(5, 6, 7), (1, 6, 7), (4, 1, 1)])
def test_a_candidate_is_no_lower_than_any_of_its_neighbors(shape):
    torch.manual_seed(0)
    volume = torch.rand(2, 3, *shape)
    found = candidates(volume, 4)
    around = F.max_pool3d(volume, 3, 1, 1)
    highest = torch.where(around == volume, volume, 0).flatten(2).sort(-1, descending=True)[0]
    torch.testing.assert_close(found.height, highest[..., :4])


def scene(count=4):
    """Studio poses with their volumes, and what is needed to measure limbs."""
    batch = studio_batch("train", count)
    places = batch.places(GRID.crop_size)
    volume = gaussian_volume(GRID.to_voxels(places), GRID, 1.0)
    return batch, volume, limb_lengths(batch.pose, H36M_17.limbs)


def lifted(batch, voxels):
    places = GRID.to_places(voxels)
    places[:, 0, 2] = 0
    pose = metric_pose(places, batch.box, batch.camera, batch.root_depth, GRID.crop_size)
    return root_relative(pose)


def test_a_wrong_peak_that_tears_a_limb_apart_is_not_taken():
    batch, volume, lengths = scene()
    wrist = H36M_17.index("left_wrist")
    wrong = GRID.to_voxels(batch.places(GRID.crop_size))[:, wrist]
    wrong[:, 2] = (wrong[:, 2] + 14) % 32  # most of a meter nearer or further
    decoy = gaussian_volume(wrong[:, None], GRID, 1.0)[:, 0]
    volume[:, wrist] = torch.maximum(0.8 * volume[:, wrist], decoy)
    where = batch.box, batch.camera, batch.root_depth
    voxels = pictorial_structures(candidates(volume), GRID, H36M_17, lengths, *where)
    truth = root_relative(batch.pose)
    assert mpjpe(lifted(batch, peak_voxel(volume)), truth).median() > 40
    assert mpjpe(lifted(batch, voxels), truth).max() < 15


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_dynamic_programming_finds_what_trying_all_finds(seed):
    generator = torch.Generator().manual_seed(seed)
    batch, _, lengths = scene(2)
    keep = [H36M_17.index(name) for name in ("left_hip", "left_knee", "left_ankle")]
    count, joints = 3, H36M_17.num_joints
    voxels = torch.rand(2, joints, count, 3, generator=generator) * torch.tensor([15.0, 15, 31])
    height = torch.rand(2, joints, count, generator=generator)
    rest = [j for j in range(joints) if j not in keep]
    voxels[:, rest], height[:, rest] = voxels[:, rest, :1], height[:, rest, :1]  # no choice there
    where = batch.box, batch.camera, batch.root_depth
    found = Candidates(voxels, height)
    ours = pictorial_structures(found, GRID, H36M_17, lengths, *where, tolerance=200.0, most=5.0)

    def cost(chosen):
        places = GRID.to_places(chosen)
        places[:, 0, 2] = 0
        pose = metric_pose(places, *where, GRID.crop_size)
        off = (limb_lengths(pose, H36M_17.limbs) - lengths) / 200.0
        same = (voxels == chosen[:, :, None]).all(-1).float().argmax(-1)
        high = height.gather(-1, same[..., None])[..., 0]
        unary = -high.clamp(min=LEAST).log().sum(-1)
        return unary + (off.square() / 2).clamp(max=5.0).sum(-1)

    lowest = torch.full((2,), torch.inf)
    for choice in itertools.product(range(count), repeat=len(keep)):
        chosen = voxels[:, :, 0].clone()
        for joint, k in zip(keep, choice, strict=True):
            chosen[:, joint] = voxels[:, joint, k]
        lowest = torch.minimum(lowest, cost(chosen))
    torch.testing.assert_close(cost(ours), lowest, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("sigma", [1.0, 1.5])
def test_the_spread_of_a_gaussian_is_its_width(sigma):
    voxels = torch.tensor([[[7.2, 8.0, 15.4]]])
    covariance = spread(gaussian_volume(voxels, GRID, sigma), voxels, GRID)[0, 0]
    expected = torch.diag((sigma * torch.tensor(GRID.voxel_size)).square())
    torch.testing.assert_close(covariance, expected, rtol=0.02, atol=0.5)


def test_the_spread_of_two_peaks_points_from_one_to_the_other():
    first, second = torch.tensor([4.0, 8.0, 10.0]), torch.tensor([10.0, 8.0, 22.0])
    volume = two_peaks(first.tolist(), second.tolist(), lower=1.0)
    covariance = spread(volume, ((first + second) / 2)[None, None], GRID)[0, 0]
    values, axes = torch.linalg.eigh(covariance.double())
    way = (second - first) * torch.tensor(GRID.voxel_size)
    assert abs(axes[:, -1] @ (way / way.norm()).double()) > 0.999
    assert values[-1].sqrt().item() == pytest.approx(way.norm().item() / 2, rel=0.05)
    torch.testing.assert_close(covariance, covariance.T)


def test_the_metric_spread_is_that_of_places_drawn_at_random():
    batch = studio_batch("train", 2)
    places = batch.places(GRID.crop_size)
    root = torch.tensor([[9.0, 2.0, 30.0], [2.0, 4.0, -10.0], [30.0, -10.0, 2500.0]])
    covariance = root.expand(2, 17, 3, 3)
    where = batch.box, batch.camera, batch.root_depth
    found = metric_spread(covariance, places, *where, GRID.crop_size)
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(4000, 2, 17, 3, generator=generator) @ torch.linalg.cholesky(root).T
    drawn = metric_pose(places + noise, *where, GRID.crop_size)
    off = drawn - drawn.mean(0)
    expected = torch.einsum("nbji,nbjk->bjik", off, off) / len(off)
    size = expected.diagonal(dim1=-2, dim2=-1).sqrt()
    scale = size[..., :, None] * size[..., None, :]
    assert ((found - expected) / scale).abs().max() < 0.12


def test_depth_alone_spreads_along_the_ray():
    batch = studio_batch("train", 2)
    places = batch.places(GRID.crop_size)
    along = torch.diag(torch.tensor([0.0, 0.0, 100.0])).expand(2, 17, 3, 3)
    found = metric_spread(along, places, batch.box, batch.camera, batch.root_depth, GRID.crop_size)
    rays = batch.pose / batch.pose[..., 2:]
    expected = 100 * rays[..., :, None] * rays[..., None, :]
    torch.testing.assert_close(found, expected, rtol=1e-2, atol=0.1)
