"""Numbers the paper and the notes on it state, found again with the package."""

import pytest
import torch

from tests.small import studio_batch
from volpose.decode import argmax_voxel, metric_pose, peak_voxel
from volpose.grid import Grid
from volpose.metrics import mpjpe, root_relative
from volpose.model import CoarseToFine, count_parameters
from volpose.targets import gaussian_volume

GRIDS = {"paper": Grid(), "official": Grid.official()}


@pytest.fixture(scope="module")
def batch():
    return studio_batch("test", 30, 32)


def floor_mm(batch, grid, decode, z_from_truth=False, xy_from_truth=False):
    """MPJPE of perfect volumes, decoded: what no network on this grid can beat."""
    places = batch.places(grid.crop_size)
    decoded = grid.to_places(decode(gaussian_volume(grid.to_voxels(places), grid)))
    if z_from_truth:
        decoded = torch.cat([decoded[..., :2], places[..., 2:]], -1)
    if xy_from_truth:
        decoded = torch.cat([places[..., :2], decoded[..., 2:]], -1)
    pose = metric_pose(decoded, batch.box, batch.camera, batch.root_depth)
    return mpjpe(root_relative(pose), root_relative(batch.pose)).mean().item()


@pytest.mark.parametrize("name", GRIDS)
def test_a_perfect_argmax_on_64_cubed_is_10_to_22_mm_off(batch, name):
    assert 10 < floor_mm(batch, GRIDS[name], argmax_voxel) < 22


@pytest.mark.parametrize("name", GRIDS)
def test_a_perfect_sub_voxel_peak_is_less_than_3_mm_off(batch, name):
    assert floor_mm(batch, GRIDS[name], peak_voxel) < 3


def test_the_symmetric_grid_puts_the_root_between_two_slices(batch):
    """Its root depth is half a voxel off, and root alignment hands that to every joint."""
    z_only = {
        name: floor_mm(batch, g, argmax_voxel, xy_from_truth=True) for name, g in GRIDS.items()
    }
    assert z_only["paper"] == pytest.approx(15.6, abs=3)
    assert z_only["official"] == pytest.approx(7.75, abs=1.5)


def test_a_volume_of_16_joints_has_over_four_million_voxels():
    voxels = 64**3 * 16
    assert voxels > 4e6
    with torch.device("meta"):
        volume = CoarseToFine(16, (64,))(torch.zeros(1, 3, 256, 256))[-1]
    assert volume.numel() == voxels


def test_one_d_1_stage_costs_less_than_one_d_64_stage():
    with torch.device("meta"):
        assert count_parameters(CoarseToFine(17, (1, 64))) < count_parameters(
            CoarseToFine(17, (64, 64))
        )
