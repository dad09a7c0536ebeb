"""Targets: Eq. 2 by a triple loop, coarse targets by max-pooling, the released table."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from volpose.decode import argmax_voxel
from volpose.grid import Grid
from volpose.targets import coarse_to_fine_targets, gaussian_volume

ALL_DEPTHS = (1, 2, 4, 8, 16, 32, 64)


def test_eq_2_by_a_triple_loop():
    grid, sigma = Grid((8, 6, 7), 32.0), 1.3
    center = (2.3, 4.1, 3.7)
    volume = gaussian_volume(torch.tensor([[center]], dtype=torch.float64), grid, sigma)
    for k in range(8):
        for j in range(6):
            for i in range(7):
                squared = (i - center[0]) ** 2 + (j - center[1]) ** 2 + (k - center[2]) ** 2
                expected = math.exp(-squared / (2 * sigma**2))
                assert volume[0, 0, k, j, i].item() == pytest.approx(expected, rel=1e-12)


def test_literal_gaussian():
    volume = gaussian_volume(torch.tensor([[1.0, 0.0, 0.0]]), Grid((1, 1, 3), 12.0), sigma=1.0)
    torch.testing.assert_close(volume[0, 0, 0], torch.tensor([0.6065307, 1.0, 0.6065307]))


@settings(max_examples=20)
@given(st.lists(st.integers(0, 63), min_size=3, max_size=3))
def test_argmax_of_a_drawn_target_gives_the_voxel_back(voxel):
    voxels = torch.tensor([voxel], dtype=torch.float32)
    torch.testing.assert_close(argmax_voxel(gaussian_volume(voxels, Grid())), voxels)


def test_coarse_targets_are_the_fine_one_max_pooled_along_z():
    grid = Grid((64, 8, 8), 32.0)
    voxels = torch.tensor([[[3.3, 4.6, 40.2], [0.0, 7.0, 0.4]]])
    fine = gaussian_volume(voxels, grid)
    for d, target in zip(ALL_DEPTHS, coarse_to_fine_targets(voxels, grid, ALL_DEPTHS), strict=True):
        pooled = fine.unflatten(2, (d, 64 // d)).amax(3)
        torch.testing.assert_close(target.volume(), pooled)
        torch.testing.assert_close(target.energy(), pooled.square().sum((-3, -2, -1)))
        # a sub-voxel center is at most half a voxel from a sample: e^(-3 * 0.25 / 8)
        assert target.volume().amax() > 0.91


def test_one_slice_is_the_2d_heatmap():
    grid = Grid()
    voxels = torch.tensor([[10.2, 20.9, 33.0]])
    (target,) = coarse_to_fine_targets(voxels, grid, (1,))
    flat = gaussian_volume(torch.tensor([[10.2, 20.9, 0.0]]), Grid((1, 64, 64)))
    torch.testing.assert_close(target.volume(), flat)


@pytest.mark.parametrize(
    ("d", "window", "sigma"),
    [
        (1, 1, None),
        (2, 1, None),
        (4, 1, None),
        (8, 3, 0.75),
        (16, 5, 1.25),
        (32, 7, 1.75),
        (64, 13, 3.25),
    ],
)
def test_official_windows_and_sigmas_along_z(d, window, sigma):
    zind = 40  # 1-based, as in the released annotation
    voxels = torch.tensor([[30.0, 30.0, zind - 1.0]])
    (target,) = coarse_to_fine_targets(voxels, Grid.official(), (d,), style="official")
    z = target.z[0]
    slice_ = math.ceil(zind * d / 64) - 1
    assert int((z > 0).sum()) == window
    assert int(z.argmax()) == slice_
    assert z[slice_] == 1
    if sigma is not None:
        assert z[slice_ + 1].item() == pytest.approx(math.exp(-1 / (2 * sigma**2)), rel=1e-5)


def test_a_deep_target_is_as_thick_in_mm_as_that_of_half_as_many_slices():
    fine, half = Grid((32, 16, 16), 64.0), Grid((16, 16, 16), 64.0)
    at = torch.tensor([[[30.0, 34.0, 250.0]]])
    deep, paper = (
        coarse_to_fine_targets(fine.to_voxels(at), fine, (32,), 1.0, style)[0]
        for style in ("deep", "paper")
    )
    (thick,) = coarse_to_fine_targets(half.to_voxels(at), half, (16,), 1.0)

    def spread(target, grid):  # mm; a Gaussian sampled finely enough keeps its own
        mm = torch.arange(grid.shape[0]) * grid.voxel_size[2]
        weights = target.z[0, 0] / target.z.sum()
        return ((mm - (weights * mm).sum()).square() * weights).sum().sqrt().item()

    assert spread(deep, fine) == pytest.approx(spread(thick, half), rel=0.01)
    assert spread(deep, fine) == pytest.approx(2 * spread(paper, fine), rel=0.01)
    assert torch.equal(deep.x, paper.x)
    assert torch.equal(deep.y, paper.y)


def test_official_blob_in_x_and_y():
    voxels = torch.tensor([[30.4, 29.6, 10.0]])
    (target,) = coarse_to_fine_targets(voxels, Grid.official(), (64,), style="official")
    assert int(target.x[0].argmax()) == int(target.y[0].argmax()) == 30  # rounded
    assert int((target.x[0] > 0).sum()) == 13
    assert target.x[0, 36].item() == pytest.approx(math.exp(-36 / (2 * 3.25**2)), rel=1e-5)


def test_a_joint_outside_or_without_label_is_masked_not_smeared():
    grid = Grid((8, 8, 8), 32.0)
    nan = float("nan")
    voxels = torch.tensor([[[4.0, 4, 4], [-0.6, 4, 4], [4, 4, 7.6], [nan, 4, 4], [4, 4, 4]]])
    annotated = torch.tensor([[True, True, True, True, False]])
    (target,) = coarse_to_fine_targets(voxels, grid, (8,), annotated=annotated)
    assert target.valid.tolist() == [[True, False, False, False, False]]
    assert target.volume().isfinite().all()
    volume = gaussian_volume(voxels, grid)
    assert volume[0, 1:4].abs().sum() == 0


@pytest.mark.parametrize("style", ["paper", "deep", "official"])
def test_a_joint_beside_the_crop_can_teach_that_it_is_not_there(style):
    grid = Grid((8, 8, 8), 32.0)
    nan = float("nan")
    voxels = torch.tensor([[[4.0, 4, 4], [-0.6, 4, 4], [4, 99, 99], [4, 4, 9], [nan, 4, 4]]])
    targets = coarse_to_fine_targets(voxels, grid, (1, 8), style=style, beside="empty")
    for target in targets:
        assert target.valid.tolist() == [[True, True, True, False, False]]
        assert target.volume()[0, 1:3].abs().sum() == 0
        assert target.volume()[0, 0].max() == 1
    hidden = torch.tensor([[True, False, True, True, True]])
    targets = coarse_to_fine_targets(voxels, grid, (8,), annotated=hidden, beside="empty")
    assert targets[0].valid.tolist() == [[True, False, True, False, False]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sigma": 0.0}, "sigma must be positive"),
        ({"style": "mine"}, "style must be"),
        ({"beside": "there"}, "beside must be"),
        ({"z_bins": (3,)}, "depth must divide"),
    ],
)
def test_bad_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        coarse_to_fine_targets(torch.zeros(1, 3), Grid(), **{"z_bins": (64,), **arguments})
